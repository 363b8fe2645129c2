"""Forward chaining and what reaches the weights, on the log of the made world."""

from collections.abc import Iterator
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_week import delayed, made_week

from recsys.columns import NONE, EventLog, Floats32, Ints
from recsys.domain import RecsysError
from recsys.features.ripe import ripe_until
from recsys.pipeline.model import Heads, Model
from recsys.pipeline.scorer import input_names
from recsys.training import fit as fit_room
from recsys.training.fit import SLICES, TrainingSet, fit, head_inputs
from recsys.training.grades import SETTLED
from recsys.training.heads import HeadConfig
from recsys.training.lists import Lists
from recsys.training.towers import FitConfig

TOWERS, HEADS = FitConfig(max_steps=20, batch=128, uniform=32), HeadConfig(epochs=2)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingSet]:
    yield from made_week(tmp_path_factory.mktemp("fit") / "home", made_world.SPLIT)


def trained(data: TrainingSet, seed: int = 0) -> Model:
    return fit(data, version="v1", seed=seed, towers=TOWERS, heads=HEADS)


def bits(model: Model) -> dict[str, bytes]:
    """All weights, and both indexes."""
    state = {f"towers.{name}": tensor for name, tensor in model.views.towers.model.state_dict().items()}
    if model.heads is not None:
        state |= {f"pointwise.{name}": tensor for name, tensor in model.heads.pointwise.state_dict().items()}
        state |= {f"listwise.{name}": tensor for name, tensor in model.heads.listwise.state_dict().items()}
    found = {name: tensor.numpy().tobytes() for name, tensor in state.items()}
    for name, index in (("learned", model.views.learned), ("content", model.views.content)):
        found[name] = index.vectors(np.sort(index.keys))[0].tobytes()
    return found


def with_clicks(data: TrainingSet, **columns: Ints | Floats32) -> TrainingSet:
    clicks = replace(data.log.clicks, **columns)
    return replace(data, log=EventLog(data.log.impressions, clicks))


def without_impressions(data: TrainingSet, kept: int = 0) -> TrainingSet:
    lists = data.log.impressions
    columns = {name: getattr(lists, name)[:kept] for name in vars(lists) if name not in ("offsets", "items")}
    offsets = lists.offsets[: kept + 1]
    return replace(
        data,
        log=EventLog(replace(lists, **columns, offsets=offsets, items=lists.items[: offsets[-1]]), data.log.clicks),
    )


def examples(data: TrainingSet) -> int:
    """How many lists are old enough to be examples."""
    times = data.log.impressions.known_at
    return int(((times >= data.since) & (times < ripe_until(data.log, data.since, data.until))).sum())


class Spy:
    """Watches what the towers and the heads are fitted on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.until: list[float] = []
        self.lists: list[Lists] = []
        fit_towers, fit_heads = fit_room.fit_towers, fit_room.fit_heads

        def towers(content, clicks, **named):
            self.until.append(named["until"])
            return fit_towers(content, clicks, **named)

        def heads(lists, modalities, **named) -> Heads:
            self.lists.append(lists)
            return fit_heads(lists, modalities, **named)

        monkeypatch.setattr(fit_room, "fit_towers", towers)
        monkeypatch.setattr(fit_room, "fit_heads", heads)


def test_each_slice_is_scored_by_towers_fitted_on_what_was_known_before_it(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    trained(training)
    times = training.log.impressions.known_at[: examples(training)]
    starts = [times[len(times) * part // SLICES] for part in range(SLICES)]
    known = [start for start in starts if (training.log.clicks.known_at < start).any()]
    assert spy.until == [*known, training.until]


def test_articles_of_after_the_training_change_nothing(training: TrainingSet) -> None:
    later = training.attributes.published_at >= training.until
    assert later.any()
    content = training.content
    strange = {name: np.where(later[:, None], np.float32(7.0), v) for name, v in content.vectors.items()}
    before, after = trained(training), trained(replace(training, content=replace(content, vectors=strange)))
    for name, matrix in before.views.towers.content_space.matrix.items():
        np.testing.assert_array_equal(matrix, after.views.towers.content_space.matrix[name])


def test_later_clicks_change_nothing_in_the_rows_before_them(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clicks from the last slice's begin on become clicks of others, late ones in lists that were shown before."""
    monkeypatch.setattr(fit_room, "ripe_until", lambda _log, _since, until: until)  # however long these take
    spy = Spy(monkeypatch)
    draw = np.random.default_rng(0)
    dwell = draw.uniform(0.0, 60.0, len(training.log.clicks))
    data = with_clicks(replace(training, since=made_world.START + made_world.DAY), dwell=dwell)
    trained(data)
    lists, clicks = data.log.impressions, data.log.clicks
    begin = int(np.searchsorted(lists.known_at, data.since))
    start = begin + (len(lists) - begin) * (SLICES - 1) // SLICES
    late = clicks.known_at >= lists.known_at[start]
    unsettled = clicks.known_at + SETTLED > lists.known_at[start]
    assert (unsettled & ~late).any()
    chosen = draw.choice(start, len(clicks))
    items = lists.items[lists.offsets[chosen] + draw.integers(0, np.diff(lists.offsets)[chosen])]
    trained(
        with_clicks(
            data,
            article=np.where(late, items, clicks.article),
            user=np.where(late, draw.permutation(clicks.user), clicks.user),
            weight=np.where(late & (draw.random(len(clicks)) < 0.3), 0.0, clicks.weight),
            impression=np.where(late, lists.position[chosen], clicks.impression),
            dwell=np.where(unsettled, 600.0, clicks.dwell),
        )
    )
    before, after = spy.lists
    upto = int(np.searchsorted(lists.known_at, lists.known_at[start], side="right")) - begin
    np.testing.assert_array_equal(before.offsets[: upto + 1], after.offsets[: upto + 1])
    rows, learned = slice(before.offsets[upto]), input_names(("image", "title")).index("learned")
    np.testing.assert_array_equal(before.rows[rows], after.rows[rows])
    assert before.rows[: before.offsets[10], learned].any()  # the first slice has towers as well
    assert not np.array_equal(before.labels[rows], after.labels[rows])
    assert not np.array_equal(before.rows[-200:], after.rows[-200:])


def test_rows_are_those_that_were_shown_and_then_samples(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    trained(training)
    (lists,) = spy.lists
    lengths = np.diff(training.log.impressions.offsets)[: examples(training)]
    assert len(lists) == len(lengths)
    shown = [lists.shown[a:b] for a, b in zip(lists.offsets[:-1], lists.offsets[1:], strict=True)]
    assert all(part[:n].all() and not part[n:].any() for part, n in zip(shown, lengths, strict=True))
    assert (~lists.shown).sum() > len(lists)
    assert not lists.labels[~lists.shown].any()
    pairs = zip(training.log.clicks.impression, training.log.clicks.article, training.log.clicks.weight, strict=True)
    young = set(training.log.impressions.position[len(lengths) :].tolist())
    clicked = {(int(i), int(a)) for i, a, weight in pairs if weight > 0 and i != NONE and i not in young}
    assert lists.labels.sum() == len(clicked)


def test_a_later_since_gives_fewer_lists_with_the_same_rows(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    middle = float(np.median(training.log.impressions.known_at))
    model = trained(replace(training, since=middle))
    assert model.since == middle
    kept = examples(replace(training, since=middle))
    assert len(spy.lists[0]) == kept == model.metrics["lists"]


def test_examples_are_clicked_as_often_however_late_that_becomes_known(training: TrainingSet) -> None:
    def clicked(data: TrainingSet) -> float:
        _, lists = head_inputs(data, towers=FitConfig(max_steps=1, batch=32, uniform=8))
        return float((np.add.reduceat(lists.labels, lists.offsets[:-1]) > 0).mean())

    assert clicked(delayed(training, 12 * made_world.HOUR)) == pytest.approx(clicked(training), abs=0.02)


def test_the_same_seed_gives_the_same_weights(training: TrainingSet) -> None:
    first, again, other = (bits(trained(training, seed)) for seed in (0, 0, 1))
    assert first == again
    assert {name for name in first if first[name] == other[name]} < set(first) - {
        "learned",
        "pointwise.layers.0.weight",
    }


def test_the_model_says_what_it_was_trained_on(training: TrainingSet) -> None:
    model = trained(training)
    assert (model.version, model.until) == ("v1", training.until)
    assert model.encoders == training.encoders
    assert model.metrics["lists"] == examples(training) > 0.9 * len(training.log.impressions)
    assert model.metrics["examples_per_second"] > 0
    np.testing.assert_array_equal(np.sort(model.views.learned.keys), training.indexed)
    np.testing.assert_array_equal(np.sort(model.views.content.keys), training.indexed)


def test_a_log_without_impressions_gives_towers_and_no_head(training: TrainingSet) -> None:
    model = trained(without_impressions(training))
    assert model.heads is None
    assert len(model.views.learned) == len(training.indexed)
    assert model.metrics["lists"] == 0


def test_too_few_lists_give_no_head(training: TrainingSet) -> None:
    assert trained(without_impressions(training, kept=fit_room.FEWEST_LISTS - 1)).heads is None
    assert trained(without_impressions(training, kept=fit_room.FEWEST_LISTS)).heads is not None


def test_lists_in_which_nothing_is_ever_clicked_give_no_head(training: TrainingSet) -> None:
    model = trained(with_clicks(training, impression=np.full(len(training.log.clicks), NONE)))
    assert model.heads is None


@pytest.mark.parametrize("nothing", ["no click", "only what was seen"])
def test_without_a_click_to_train_on_it_says_so(training: TrainingSet, nothing: str) -> None:
    if nothing == "no click":
        columns = {name: column[:0] for name, column in vars(training.log.clicks).items()}
    else:
        columns = {"weight": np.zeros(len(training.log.clicks))}
    with pytest.raises(RecsysError, match="no click to train on"):
        trained(with_clicks(training, **columns))


def test_progress_names_its_stages(training: TrainingSet) -> None:
    said: dict[str, tuple[int, int]] = {}
    fit(
        training, version="v1", towers=TOWERS, heads=HEADS,
        report=lambda stage, done, total: said.update({stage: (done, total)}),
    )  # fmt: skip
    assert list(said) == ["towers", "replay", "affinities", "heads"]
    assert all(said[stage][0] == said[stage][1] for stage in said)
