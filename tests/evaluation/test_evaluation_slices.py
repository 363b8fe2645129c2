"""Slices of a window are the lists that their names say, found by plain loops over the log."""

from collections.abc import Iterator

import made_world
import numpy as np
import pytest
from made_judgement import Judgement, made_judgement

from recsys.evaluation import slices as room
from recsys.evaluation.bootstrap import bootstrap_mean
from recsys.evaluation.evaluate import Judged, evaluate_shown


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judgement]:
    judgement = made_judgement(tmp_path_factory.mktemp("slices"))
    yield judgement
    judgement.sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def judged(made: Judgement) -> Judged:
    return evaluate_shown(made.model, made.window(made_world.SPLIT, np.inf))


@pytest.fixture(scope="module")
def lists(made: Judgement) -> list[int]:
    return made.lists(made_world.SPLIT, np.inf).tolist()


def expect(judged: Judged, name: str, members: list[bool]) -> None:
    found, chosen = judged.summary["slices"][name], np.array(members)
    assert found["impressions"] == chosen.sum()
    assert found["auc"] == pytest.approx(np.nanmean(judged.figures["auc"][chosen]))
    assert found["ndcg@10"] == pytest.approx(np.nanmean(judged.figures["ndcg@10"][chosen]))


def test_sections_are_those_of_what_was_clicked(made: Judgement, judged: Judged, lists: list[int]) -> None:
    catalogue = made.data.catalogue
    for code, name in enumerate(catalogue.sections):
        members = [any(catalogue.section[a] == code for a in made.clicked(i)) for i in lists]
        assert any(members)
        expect(judged, f"section={name}", members)


def test_sections_come_by_their_number_of_lists_and_only_the_largest(
    judged: Judged, made: Judgement, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(found: Judged) -> list[int]:
        return [part["impressions"] for name, part in found.summary["slices"].items() if name.startswith("section=")]

    counts = told(judged)
    assert counts == sorted(counts, reverse=True)
    monkeypatch.setattr(room, "MOST_SECTIONS", 2)
    assert told(evaluate_shown(made.model, made.window(made_world.SPLIT, np.inf))) == counts[:2]


def test_hours_are_utc_and_share_out_all_lists(made: Judgement, judged: Judged, lists: list[int]) -> None:
    hour = ((made.data.log.impressions.known_at[lists] - made_world.SPLIT) // 3600).astype(int)  # SPLIT is a midnight
    named = {name for name in judged.summary["slices"] if name.startswith("hour=")}
    assert named == {f"hour={value:02}" for value in hour.tolist()}
    for value in set(hour.tolist()):
        assert judged.summary["slices"][f"hour={value:02}"]["impressions"] == (hour == value).sum()


def test_a_new_article_was_first_shown_a_few_hours_before_or_never(
    made: Judgement, judged: Judged, lists: list[int]
) -> None:
    shown = made.data.log.impressions

    def is_new(article: int, t: float) -> bool:
        rows = np.repeat(shown.known_at, np.diff(shown.offsets))[shown.items == article]
        before = rows[rows < t]
        return len(before) == 0 or t - before.min() < room.NEW_HOURS * 3600.0

    members = [any(is_new(a, float(shown.known_at[i])) for a in made.clicked(i)) for i in lists]
    assert 0 < sum(members) < len(members)
    expect(judged, "clicked_new_article", members)


def test_intervals_are_over_the_users_of_the_slice(judged: Judged, made: Judgement, lists: list[int]) -> None:
    chosen = made.data.log.impressions.page[lists] == 1
    found = judged.summary["slices"]["front_page"]["confidence"]
    for name in room.WITH_INTERVAL:
        assert found[name] == bootstrap_mean(judged.figures[name][chosen], judged.users[chosen])
