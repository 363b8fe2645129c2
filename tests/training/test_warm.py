"""Warm starts: weights that go on, inputs that stay honest, and reasons to begin from scratch."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
import torch
from made_week import made_week

from recsys.columns import NONE, between
from recsys.pipeline.model import Model
from recsys.pipeline.scorer import probabilities_of_lists
from recsys.training import fit as fit_room
from recsys.training.carried import carried_over, with_rehearsal
from recsys.training.fit import TrainingSet, fit, head_inputs
from recsys.training.heads import HeadConfig, fit_heads
from recsys.training.towers import FitConfig
from recsys.training.warm import GENERATIONS, Start

TOWERS, HEADS = FitConfig(max_steps=20, batch=128, uniform=32), HeadConfig(epochs=2)
FIRST, SECOND, THIRD = (made_world.START + days * made_world.DAY for days in (2, 3, 4))


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSet]:
    yield from made_week(tmp_path_factory.mktemp("warm") / "home", THIRD)


def until(data: TrainingSet, at: float) -> TrainingSet:
    return replace(data, log=between(data.log, -np.inf, at), until=at)


def trained(data: TrainingSet, version: str, start: Start | None = None) -> Model:
    return fit(data, version=version, towers=TOWERS, heads=HEADS, start=start)


@pytest.fixture(scope="module")
def chain(week: TrainingSet) -> tuple[Model, Model]:
    """A version from scratch, and one that went on from it."""
    first = trained(until(week, FIRST), "first")
    return first, trained(until(week, SECOND), "second", Start(first))


def weights(model: Model) -> dict[str, torch.Tensor]:
    assert model.heads is not None
    parts = {"towers": model.views.towers.model, "pointwise": model.heads.pointwise, "listwise": model.heads.listwise}
    return {f"{name}.{key}": v for name, part in parts.items() for key, v in part.state_dict().items()}


def test_a_version_goes_on_from_another_and_says_so(week: TrainingSet, chain: tuple[Model, Model]) -> None:
    first, second = chain
    assert first.metrics["start"] == {"version": None, "generation": 0, "from_scratch_because": None}
    assert second.metrics["start"] == {"version": "first", "generation": 1, "from_scratch_because": None}
    for name, matrix in first.views.towers.content_space.matrix.items():
        np.testing.assert_array_equal(second.views.towers.content_space.matrix[name], matrix)
    scratch = trained(until(week, SECOND), "scratch")
    before, after, anew = weights(first), weights(second), weights(scratch)
    kept = [name for name in before if before[name].shape == after[name].shape and before[name].dim() == 2]
    kept = [name for name in kept if ".by_" not in name]  # those start at fixed values, not at random ones
    assert len(kept) > 5
    for name in kept:
        moved, away = (float((other[name] - before[name]).norm()) for other in (after, anew))
        assert 0 < moved < away, name
    again = weights(trained(until(week, SECOND), "again", Start(first)))
    assert all(again[name].equal(tensor) for name, tensor in after.items())


def test_id_embeddings_follow_their_articles_and_new_ones_start_at_zero(chain: tuple[Model, Model]) -> None:
    towers = chain[0].views.towers
    keys = np.append(towers.id_keys[[3, 0]], towers.id_keys.max() + 5)
    known = towers.rekeyed(np.where(np.arange(len(towers.id_keys)) == 3, NONE, towers.id_keys))  # 3: not known here
    module = carried_over(known, keys)
    old = towers.model.fusion.ids.weight
    assert old[0].abs().sum() > 0
    torch.testing.assert_close(module.fusion.ids.weight, torch.stack([0 * old[0], old[0], 0 * old[0], 0 * old[0]]))


def test_new_clicks_are_learnt_with_as_many_old_ones() -> None:
    known_at = np.arange(10.0)
    drawn = with_rehearsal(np.array([0, 1, 2, 4, 5, 8, 9]), known_at, 8.0, np.random.default_rng(0))
    assert drawn[:2].tolist() == [8, 9]
    assert len(drawn) == 4
    assert set(drawn[2:].tolist()) < {0, 1, 2, 4, 5}


def test_lists_are_scored_by_towers_that_knew_nothing_of_them(
    week: TrainingSet, chain: tuple[Model, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    replayed = fit_room.replayed
    monkeypatch.setattr(fit_room, "replayed", lambda *given: seen.append(given[2:4]) or replayed(*given))
    first, second = chain
    times = week.log.impressions.known_at
    for start, expected in ((Start(second), [second]), (Start(second, first), [first, second])):
        _, lists = head_inputs(week, towers=TOWERS, start=start)
        (since, ripe), links = seen.pop()
        examples = times[(times >= since) & (times < ripe)]
        assert len(lists) == len(examples)
        assert [link.views for link in links[:-1]] == [model.views for model in expected]
        assert links[-1].start == len(examples)
        for link, model in zip(links[:-1], expected, strict=True):
            assert examples[link.start] >= model.until
        new = (times >= SECOND) & (times < ripe)
        assert examples[links[-2].start :].tolist() == times[new].tolist()  # all that is new


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: setattr(m, "heads", None), "no ranking head"),
        (lambda m: setattr(m, "encoders", {**m.encoders, "title": "another@1"}), "other encoders"),
        (lambda m: setattr(m, "metrics", {"start": {"generation": GENERATIONS}}), f"{GENERATIONS} trainings"),
        (lambda m: setattr(m, "until", SECOND), "0 lists were shown since its training, 50 are needed"),
    ],
    ids=["no head", "encoders", "generations", "nothing new"],
)
def test_what_is_no_start_is_trained_from_scratch_and_said(
    week: TrainingSet, chain: tuple[Model, Model], change: Callable[[Model], None], why: str
) -> None:
    start = replace(chain[0])
    change(start)
    found = trained(until(week, SECOND), "v", Start(start)).metrics["start"]
    assert (found["version"], found["generation"]) == (None, 0)
    assert "first is no start" in found["from_scratch_because"]
    assert why in found["from_scratch_because"]


def test_another_fusion_and_a_modality_that_is_new_are_no_start(week: TrainingSet, chain: tuple[Model, Model]) -> None:
    data = until(week, SECOND)
    other = fit(data, version="v", fusion="weighted", towers=TOWERS, heads=HEADS, start=Start(chain[0]))
    assert "another fusion" in other.metrics["start"]["from_scratch_because"]
    masks = {**data.content.mask, "image": np.zeros_like(data.content.mask["image"])}
    blind = trained(replace(until(week, FIRST), content=replace(data.content, mask=masks)), "blind")
    assert "any image when" in trained(data, "v", Start(blind)).metrics["start"]["from_scratch_because"]


def test_heads_go_on_from_the_chances_that_they_give(week: TrainingSet, chain: tuple[Model, Model]) -> None:
    """Without a step the calibration is in the weights, and every chance is as it was."""
    first, second = chain
    _, lists = head_inputs(week, towers=TOWERS, start=Start(second))
    heads = first.heads
    assert heads is not None
    heads.listwise.temperature.fill_(1.7)
    heads.listwise.outside_shift.fill_(0.4)
    modalities = first.views.towers.content_space.present
    begun = fit_heads(lists, modalities, config=HeadConfig(epochs=0, held_out=0.0), start=heads)
    shown = lists.take(np.arange(20), lists.shown)
    parts = np.split(shown.rows, shown.offsets[1:-1])
    assert float(begun.listwise.temperature) == 1.0
    for one, other in zip(
        probabilities_of_lists(heads.listwise, parts), probabilities_of_lists(begun.listwise, parts), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
