"""The fold on a real newspaper's week: same bits however it is cut, nothing from the future, live is replay."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from fold_ebnerd import Stored, same_bits
from fold_leaks import corrupted, dated_by_click, deleted
from fold_serving import follow, live_features
from fold_worlds import between, bits, pieces, stamps_of
from rich.console import Console

from recsys.columns import EventLog
from recsys.features.checkpoint import load_state, save_state
from recsys.features.features import FEATURES
from recsys.features.replay import Replay
from recsys.features.state import merged

pytestmark = pytest.mark.slow


def check_pieces(ebnerd: Stored, replay: Replay, cut: list[EventLog]) -> None:
    """Replay pieces that end where the log ends, and compare with one replay of it."""
    parts = [replay.run(piece) for piece in cut]
    lists = sum(map(len, parts))
    assert lists > 0
    assert same_bits(parts, ebnerd.examples, slice(len(ebnerd.examples) - lists, None))
    assert bits(replay.state) == bits(ebnerd.state)


def test_stamp_by_stamp_is_batch_on_the_whole_week(ebnerd: Stored) -> None:
    cut = pieces(ebnerd.log, stamps_of(ebnerd.log))
    assert len(cut) > 40_000
    check_pieces(ebnerd, ebnerd.begun(), cut)


def test_uneven_pieces_are_batch(ebnerd: Stored) -> None:
    first, last = stamps_of(ebnerd.log)[[0, -1]]
    cuts = np.random.default_rng(0).uniform(first, last, 500)
    check_pieces(ebnerd, ebnerd.begun(), pieces(ebnerd.log, cuts))


def test_resumed_from_a_checkpoint_is_uninterrupted(ebnerd: Stored, tmp_path: Path) -> None:
    cut = float(np.quantile(ebnerd.log.impressions.known_at, 0.6))
    head, tail = pieces(ebnerd.log, [cut])
    first = ebnerd.begun()
    first.run(head, score_from=np.inf)
    save_state(first.state, tmp_path / "state.safetensors", head.end)
    second = ebnerd.begun()
    second.resume(load_state(tmp_path / "state.safetensors")[0], head)
    check_pieces(ebnerd, second, [tail])


def test_slices_merge(ebnerd: Stored) -> None:
    cut = float(np.quantile(ebnerd.log.impressions.known_at, 0.4))
    head, tail = pieces(ebnerd.log, [cut])
    first, second = ebnerd.begun(), ebnerd.begun()
    first.run(head, score_from=np.inf)
    second.resume(second.state, head)
    second.run(tail, score_from=np.inf)
    found = merged(first.state, second.state)
    for name in ("stamp", "first_shown", "last_shown", "totals", "reader_total", "readers", "reader_at"):
        np.testing.assert_array_equal(getattr(found, name), getattr(ebnerd.state, name), err_msg=name)
    np.testing.assert_allclose(found.counts, ebnerd.state.counts, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.taste, ebnerd.state.taste, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_the_future_changes_nothing_before(ebnerd: Stored, share: float) -> None:
    """At an instant at which lists were shown and clicks became known."""
    i, c = ebnerd.log.impressions, ebnerd.log.clicks
    t = float(np.quantile(np.intersect1d(i.known_at, c.known_at), share, method="nearest"))
    keep = i.position[i.known_at == t]
    until = slice(0, int((i.known_at <= t).sum()))
    assert len(keep) > 0
    assert (c.known_at == t).any()
    for bent in (deleted(ebnerd.log, t), corrupted(ebnerd.log, t, keep, ebnerd.begun(), seed=1)):
        found = ebnerd.begun().run(bent, score_until=np.nextafter(t, np.inf))
        assert same_bits([found], ebnerd.examples, until)


def test_control_the_check_catches_clicks_that_enter_when_they_happen(ebnerd: Stored) -> None:
    i = ebnerd.log.impressions
    t = float(np.quantile(i.known_at, 0.3, method="nearest"))
    bent, end = deleted(ebnerd.log, t), np.nextafter(t, np.inf)
    leaky = [ebnerd.begun().run(dated_by_click(log), score_until=end) for log in (ebnerd.log, bent)]
    assert not same_bits(leaky[:1], leaky[1], slice(0, int((i.known_at <= t).sum())))


def test_features_computed_live_are_those_replayed(ebnerd: Stored) -> None:
    i, replay, done = ebnerd.log.impressions, ebnerd.begun(), -np.inf
    with ebnerd.sessions() as session:
        for place in range(50, len(i), 400):
            t = float(i.known_at[place])
            replay.run(between(ebnerd.log, done, t), score_from=np.inf)
            done = t
            found = live_features(session, replay.state, ebnerd.attributes, replay.scratch, i, place)
            expected = ebnerd.examples.features[ebnerd.examples.offsets[place] : ebnerd.examples.offsets[place + 1]]
            assert found.tobytes() == expected.tobytes()


def test_an_article_side_that_follows_the_log_is_that_of_replay(ebnerd: Stored) -> None:
    """From the last two hours on, a second at a time."""
    replay, end = ebnerd.begun(), float(ebnerd.log.impressions.known_at[-1])
    head, *tail = pieces(ebnerd.log, np.arange(end - 7200.0, end + 1.0))
    assert sum(len(piece.clicks) for piece in tail) > 100
    replay.run(head, score_from=np.inf)
    with ebnerd.sessions() as session:
        follow(session, replay.state, ebnerd.attributes, tail)
    assert bits(replay.state) == bits(ebnerd.state)


def test_every_feature_is_finite_and_says_something(ebnerd: Stored) -> None:
    features = ebnerd.examples.features
    assert np.isfinite(features).all()
    silent = {name for name, spread in zip(FEATURES, features.std(axis=0), strict=True) if spread == 0}
    assert silent <= {
        "section_share_of_user",
        "section_of_last_click",
        "section_of_context",
    }  # where sections are unknown
    assert ebnerd.examples.labels.sum() == (ebnerd.log.clicks.backfilled == 0).sum()


def test_speed_is_told(ebnerd: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    rows, events = len(ebnerd.examples.keys), len(ebnerd.log.impressions) + len(ebnerd.log.clicks)
    seconds = {}
    for name, options, since in (
        ("fold", {}, np.inf),
        ("fold, features and 10 samples a list", {"sampled": 10}, -np.inf),
    ):
        replay, start = ebnerd.begun(**options), perf_counter()
        rows = len(replay.run(ebnerd.log, score_from=since).keys)
        seconds[name] = perf_counter() - start, rows
    with capsys.disabled():
        for name, (taken, scored) in seconds.items():
            Console().print(f"\n  EB-NeRD, {name}: {events:,} events, {scored:,} rows in {taken:.2f} s", end="")
    assert rows > 0
