import numpy as np

from recsys.training.lists import Lists


def test_lists_of_unequal_lengths_are_taken_whole() -> None:
    lengths = np.array([1, 4, 2])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.arange(7, dtype=np.float32)[:, None]
    lists = Lists(offsets, rows, np.array([0, 1, 0, 0, 0, 0, 1], np.float32), np.array([1, 1, 1, 0, 0, 1, 1]) > 0)
    taken = lists.take(np.array([2, 1]))
    assert taken.rows[:, 0].tolist() == [5, 6, 1, 2, 3, 4]
    assert taken.offsets.tolist() == [0, 2, 6]
    only_shown = lists.take(np.array([1, 2]), lists.shown)
    assert only_shown.rows[:, 0].tolist() == [1, 2, 5, 6]
    assert only_shown.labels.tolist() == [1, 0, 0, 1]
    assert only_shown.offsets.tolist() == [0, 2, 4]
