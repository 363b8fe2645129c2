"""Counts of an answer go to whoever counts, and to nobody else."""

import threading

from recsys.counts import count, counting, is_counting


def test_counts_add_up_for_the_one_who_counts():
    with counting() as counts:
        assert is_counting()
        count("candidates", "fresh", 2)
        count("candidates", "fresh", 3)
        count("exact_fallback")
        count("filtered", "tired", 0)
    assert counts == {("candidates", "fresh"): 5, ("exact_fallback", ""): 1}


def test_without_anybody_who_counts_nothing_is_kept():
    assert not is_counting()
    count("candidates", "fresh", 2)
    with counting() as counts:
        pass
    assert counts == {}


def test_another_thread_does_not_count_along():
    with counting() as counts:
        thread = threading.Thread(target=count, args=["candidates", "fresh", 2])
        thread.start()
        thread.join()
    assert counts == {}
