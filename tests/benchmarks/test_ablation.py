"""The ablation's conditions on a made world in which titles and images each tell half of what decides a click."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import ablation
import numpy as np
import pytest
import torch
from ablation_films import COLD, WARM, FilmTrials, development
from ablation_rows import Events, Measured, Prepared, events_of, image_rows, row_of, verdict
from kept import Kept
from modalities import (
    ALL,
    CONDITIONS,
    DROPPED,
    IMAGE,
    REFERENCE,
    TITLE,
    Condition,
    config_of,
    forgetful,
    seen_by,
    without,
)  # fmt: skip
from movielens import Films, Result
from rich.console import Console
from threadpoolctl import threadpool_limits

from recsys.columns import NONE, ClickColumns
from recsys.domain import RecsysError
from recsys.model.fusion import BEHAVIOUR, FUSIONS
from recsys.pipeline.content import Content
from recsys.training.towers import fit_towers

FILMS, USERS, EACH, KINDS = 64, 60, 16, 4
IMAGELESS = 5
EVERYTHING = Condition("all", "made", dropped=DROPPED)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As in the benchmark: on a busy machine small products wait for each other's threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def trials() -> FilmTrials:
    return FilmTrials.of(made_films())


def made_films() -> Films:
    """Users click films of one kind alone; titles tell its first bit and images its second."""
    generator = np.random.default_rng(0)
    kind = np.arange(FILMS + 1) % KINDS
    tastes = generator.integers(KINDS, size=USERS)
    article = np.concatenate([generator.permutation(np.flatnonzero(kind[1:] == taste) + 1)[:EACH] for taste in tastes])
    user, at = np.repeat(np.arange(1, USERS + 1), EACH), np.tile(np.arange(EACH) * 100.0, USERS)
    n, nothing = len(user), np.zeros(len(user), np.int8)
    clicks = ClickColumns(
        position=np.arange(n), user=user, article=article, at=at, known_at=at, weight=np.ones(n), backfilled=nothing,
        dwell=np.full(n, np.nan), impression=np.full(n, NONE), page=nothing, device=nothing,
    )  # fmt: skip
    told = {TITLE: kind // 2, IMAGE: kind % 2}
    vectors = {name: _vectors(bit, generator) for name, bit in told.items()}
    mask = {TITLE: np.arange(FILMS + 1) > 0, IMAGE: np.arange(FILMS + 1) > IMAGELESS}
    content = Content({name: v * mask[name][:, None] for name, v in vectors.items()}, mask)
    return Films(clicks, content, np.arange(1, FILMS + 1), (np.arange(1, FILMS, 5),))


def _vectors(bit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (np.eye(2)[bit] @ np.ones((2, 4)) * (2 * bit[:, None] - 1) + generator.normal(0, 0.2, (len(bit), 4))).astype(
        np.float32
    )


def test_the_conditions_are_those_of_the_issue() -> None:
    assert CONDITIONS[0] is REFERENCE
    subsets = {frozenset(c.parts) for c in CONDITIONS}
    assert subsets == {frozenset(n for n, kept in zip(ALL, some, strict=True) if kept) for some in SUBSETS}
    whole = [c for c in CONDITIONS if c.parts == ALL and not c.shuffled and not c.summed]
    assert {c.fusion for c in whole} == set(FUSIONS)
    assert all(c.dropped == DROPPED for c in [*whole, *[c for c in CONDITIONS if c.summed]])
    assert sum(c.shuffled for c in CONDITIONS) == sum(c.summed for c in CONDITIONS) == 1
    names = [name for c in CONDITIONS for name in c.names]
    assert len(set(names)) == len(names) == len(CONDITIONS) + 3 * (len(FUSIONS) + 1)


SUBSETS = [some for some in product([True, False], repeat=3) if any(some)]


def test_a_larger_share_of_dropped_images_holds_a_smaller_one(trials: FilmTrials) -> None:
    content = trials.films.content
    masks = [without(content, IMAGE, share).mask[IMAGE] for share in DROPPED]
    assert [int(m.sum()) for m in masks] == [60 - IMAGELESS + 4, 41, 24, 0]
    for more, fewer in pairwise(masks):
        assert not (fewer & ~more).any()
    assert (content.mask[IMAGE] == masks[0]).all()
    assert (without(content, IMAGE, 0.6).vectors[TITLE] == content.vectors[TITLE]).all()


def test_shuffled_images_are_the_same_images(trials: FilmTrials) -> None:
    content = trials.films.content
    mixed = seen_by(content, Condition("mixed", "made", shuffled=True))
    there = content.mask[IMAGE]
    assert (mixed.mask[IMAGE] == there).all()
    assert not mixed.vectors[IMAGE][~there].any()
    assert sorted(map(tuple, mixed.vectors[IMAGE][there])) == sorted(map(tuple, content.vectors[IMAGE][there]))
    assert (mixed.vectors[IMAGE] != content.vectors[IMAGE]).any()


def test_what_is_left_out_decides_nothing(trials: FilmTrials) -> None:
    """Other images, and images dropped, change nothing where titles alone are looked at."""
    condition = Condition("title", "made", (TITLE,), dropped=(0.0, 1.0))
    films = replace(trials.films, content=seen_by(trials.films.content, Condition("mixed", "made", shuffled=True)))
    with_images, dropped = measured(trials, condition, 0)
    assert figures(with_images) == figures(dropped) == figures(measured(replace(trials, films=films), condition, 0)[0])


def test_behaviour_alone_is_told_nothing_of_cold_films_and_needs_no_content(trials: FilmTrials) -> None:
    condition = Condition("behaviour", "made", (BEHAVIOUR,))
    (found,) = measured(trials, condition, 0)
    blank = replace(trials, films=replace(trials.films, content=seen_by(trials.films.content, condition)))
    assert list(found) == [WARM]
    assert figures(found) == figures(measured(blank, condition, 0)[0])


@pytest.mark.parametrize("cold", [False, True])
def test_towers_without_behaviour_have_no_ids(trials: FilmTrials, cold: bool) -> None:
    condition = Condition("content", "made", (TITLE, IMAGE))
    towers = fit_towers(trials.films.content, trials.films.clicks, config=config_of(condition))
    told = forgetful(towers, condition, cold=cold)
    keys = trials.films.keys
    assert not towers.model.fusion.ids.weight.any()
    assert not towers.item_vectors(trials.films.content, keys)[1][:, -1].any()
    assert not told.clicks(keys).any()
    assert len(np.unique(told.blend(keys).scale)) == 1


def test_images_help_where_they_tell_something(trials: FilmTrials) -> None:
    """All of it is told by both together, half by each; dropping and shuffling images loses their half."""
    whole, *_, dropped = measured(trials, EVERYTHING, 0)
    (title,) = measured(trials, Condition("title", "made", (TITLE,)), 0)
    (mixed,) = measured(trials, Condition("mixed", "made", shuffled=True), 0)
    assert mean(whole, COLD, "auc") > 0.9
    assert mean(title, COLD, "auc") < mean(whole, COLD, "auc") - 0.1
    assert mean(dropped, COLD, "auc") < mean(whole, COLD, "auc") - 0.1
    assert mean(mixed, COLD, "auc") < mean(whole, COLD, "auc") - 0.1


def test_late_fusion_with_fixed_weights_needs_both(trials: FilmTrials) -> None:
    prepared = trials.prepare(Condition("sum", "made", summed=True, dropped=(0.0, 1.0)))
    summed, dropped = prepared.measure(0)
    assert [sum(weights.values()) for weights in prepared.notes.values()] == pytest.approx([1.0, 1.0])
    assert BEHAVIOUR not in prepared.notes["C_weights_1"]
    (title,) = measured(trials, Condition("title", "made", (TITLE,)), 0)
    assert mean(summed, COLD, "auc") > mean(title, COLD, "auc") + 0.05
    assert mean(dropped, COLD, "auc") < mean(summed, COLD, "auc") - 0.05


@pytest.mark.parametrize("cold", [False, True])
def test_the_development_split_lies_inside_the_training_window(trials: FilmTrials, cold: bool) -> None:
    test = trials.tests[COLD if cold else WARM][0]
    inner = development(trials.films, test, cold=cold)
    assert inner.clicks.at.max() <= trials.films.split
    assert inner.split < trials.films.split
    if cold:
        assert not np.isin(inner.keys, np.flatnonzero(test.candidates)).any()
        assert np.isin(inner.cold[0], inner.keys).all()


def result(values: list[float], users: list[int]) -> Result:
    return Result({"ndcg@10": np.array(values)}, np.array(users), seconds=2.0)


def test_rows_tell_means_deviations_and_differences() -> None:
    """Two hold-outs of different sizes weigh the same, in the mean as in the difference."""
    first = [{"C": [result([1, 0], [1, 2]), result([1, 1, 0, 0], [1, 2, 3, 3])]}]
    second = [{"C": [result([0, 0], [1, 2]), result([1, 1, 1, 1], [1, 2, 3, 3])]}]
    reference = [{"C": [result([0, 0], [1, 2]), result([1, 0, 0, 0], [1, 2, 3, 3])]}]
    seeds = first + second
    row = row_of("made", "group", seeds, events_of(seeds), events_of(reference))
    assert row["C_ndcg@10"] == pytest.approx(0.5)
    assert row["C_ndcg@10_sd"] == pytest.approx(0.0)
    assert row["C_ndcg@10_minus_reference"] == pytest.approx(0.5 - 0.125)
    assert row["seconds_to_train"] == 2.0
    low, high = row["confidence"]["C_ndcg@10"]
    assert low <= 0.5 <= high
    assert row_of("made", "group", first, events_of(first), events_of(reference))["C_ndcg@10_sd"] is None


@pytest.mark.parametrize(("low", "high", "said"), [(0.1, 0.2, "helps"), (-0.1, 0.2, "nothing"), (-0.2, -0.1, "harms")])
def test_a_verdict_needs_an_interval_on_one_side_of_nothing(low: float, high: float, said: str) -> None:
    assert said in verdict(low, high)


def test_what_the_image_adds_is_told_for_the_pairs_that_are_there() -> None:
    users = np.repeat(np.arange(30), 2)
    good, bad = Events(np.full(60, 0.5), users), Events(np.full(60, 0.25), users)
    events = {REFERENCE.name: {"G": good}, "title + behaviour": {"G": bad}, "title": {"G": bad}}
    (row,) = image_rows(events)
    assert (row["test"], row["added"], row["verdict"]) == ("G", 0.25, "helps")


class Counting:
    """Trials that count how often they are asked, and stop after so many."""

    def __init__(self, most: int) -> None:
        self.asked, self.most = 0, most

    def prepare(self, condition: Condition) -> Prepared:
        return Prepared(lambda seed: self.measure(condition, seed), {})

    def measure(self, condition: Condition, seed: int) -> list[Measured]:
        if self.asked == self.most:
            raise KeyboardInterrupt
        self.asked += 1
        worth = 0.1 * len(condition.parts) + 0.01 * seed
        return [{"G": [result([worth, worth - share / 10], [1, 2])]} for share in condition.dropped]


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """What was finished is read back, not measured again; the half-finished condition is measured again."""
    conditions, file = [REFERENCE, *CONDITIONS[-7:]], tmp_path / "rows.json"
    with pytest.raises(KeyboardInterrupt):
        ablation.run(Counting(7), conditions, 2, Kept.read(file, {"seeds": 2}))
    assert len(json.loads(file.read_text())["rows"]) == 4 + 2
    again, whole = Counting(99), Kept.read(file, {"seeds": 2})
    ablation.run(again, conditions, 2, whole)
    assert again.asked == 2 * (8 - 3)
    alone = Kept.read(None, {})
    ablation.run(Counting(99), conditions, 2, alone)
    assert json.loads(json.dumps(whole.rows)) == json.loads(json.dumps(alone.rows))
    done = Kept.read(file, {"seeds": 2})
    ablation.run(Counting(0), conditions, 2, done)
    assert json.loads(json.dumps(done.rows)) == json.loads(json.dumps(whole.rows))


def test_rows_of_another_setup_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    ablation.run(Counting(99), [REFERENCE], 1, Kept.read(file, {"seeds": 1}))
    with pytest.raises(RecsysError, match="another seeds"):
        Kept.read(file, {"seeds": 3})


def test_tables_show_each_test_and_what_the_image_adds(tmp_path: Path) -> None:
    kept = Kept.read(None, {})
    ablation.run(Counting(99), list(CONDITIONS), 2, kept)
    console = Console(width=150, record=True, file=(tmp_path / "out").open("w"))
    ablation.show(kept.rows, console)
    said = console.export_text()
    assert "G: all films: modalities" in said
    assert "C: films" not in said
    assert said.count("all, mlp, 60% of images dropped") == 1
    assert said.count("helps") == 3
    assert said.count("adds nothing") == 1  # the shuffled control has the same figures here


def measured(trials: FilmTrials, condition: Condition, seed: int) -> list[Measured]:
    return trials.prepare(condition).measure(seed)


def figures(measured: Measured) -> dict[str, list[dict[str, float]]]:
    return {kind: [one.means for one in results] for kind, results in measured.items()}


def mean(measured: Measured, kind: str, figure: str) -> float:
    return float(np.mean([one.means[figure] for one in measured[kind]]))
