"""Training from the database: what is trained on, what is written, what goes live, and what is refused."""

import math
import shutil
from pathlib import Path

import made_world
import numpy as np
import pytest
from made_training import change, hurry, live, pretend, snapshots, untrained, versions, weights

from recsys.database import articles, events, models, stretches, vectors
from recsys.database.session import Sessions, open_sessions, upgrade, writing
from recsys.domain import Article, Click, NotKnownError, RecsysError
from recsys.encoders import expected_ids
from recsys.lifecycle import train as room
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.loading import load_model
from recsys.lifecycle.train import train
from recsys.lifecycle.versions import describe, promote
from recsys.pipeline.load import load_dataset
from recsys.settings import Settings
from recsys.snapshots import snapshot

SPLIT, END, HOUR, DAY = made_world.SPLIT, made_world.END, made_world.HOUR, made_world.DAY


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """The made world, whose model is live; trainings are quick."""
    sessions = made_world.install(settings)
    hurry(monkeypatch)
    return sessions


@pytest.fixture
def trained(settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """The same, where training gives the same model once more."""
    pretend(monkeypatch, world, settings)
    return world


def test_the_first_version_goes_live_and_the_second_waits(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    sessions = untrained(settings, tmp_path)
    made = train(sessions, settings, until=SPLIT), train(sessions, settings, since=SPLIT - DAY, until=SPLIT)
    first, second = (model.version for model in made)
    assert first != second
    assert live(sessions) == first
    assert snapshots(settings) == sorted([first, second]) == sorted(versions(sessions))
    with sessions() as session:
        rows = {row.version: row for row in models.versions(session)}
    assert (rows[first].status, rows[first].reason) == ("promoted", "nothing was live yet")
    assert (rows[second].status, rows[second].reason) == ("candidate", None)
    assert made[1].metrics["lists"] < made[0].metrics["lists"]
    assert rows[second].since == SPLIT - DAY


def test_what_was_trained_is_recorded(settings: Settings, trained: Sessions) -> None:
    model = train(trained, settings, until=SPLIT)
    with trained() as session:
        row = describe(models.get_version(session, model.version))
        first, _ = stretches.shown_span(session) or (0.0, 0.0)
    assert row["until"] == room.rfc3339(SPLIT)
    assert row["since"] == room.rfc3339(first)
    assert row["metrics"] == {"training": model.metrics}
    assert row["created_at"].endswith("Z")


def test_without_until_everything_is_trained_on(settings: Settings, world: Sessions) -> None:
    model = train(world, settings)
    assert model.metrics["lists"] == made_world.LISTS
    with world() as session:
        span = stretches.time_span(session)
    assert span is not None
    assert span[1] < (model.until or 0.0) <= span[1] + 1e-3


def test_labels_shuffled_in_the_future_change_no_weight(settings: Settings, world: Sessions) -> None:
    """Everything known from ``until`` on is told of other readers and articles, also what was clicked before it."""
    before = train(world, settings, until=SPLIT - DAY)
    draw = np.random.default_rng(0)
    with world() as session:
        late = stretches.read_log(session, since=SPLIT - DAY)
    for position, article in zip(late.clicks.position.tolist(), draw.permutation(late.clicks.article), strict=True):
        change(world, "UPDATE clicks SET article = :a WHERE position = :p", a=int(article), p=position)
    assert change(
        world, "UPDATE clicks SET weight = 1 - weight WHERE known_at >= :t AND position % 3 = 0", t=SPLIT - DAY
    )
    assert change(world, "UPDATE impressions SET user = 1 WHERE known_at >= :t", t=SPLIT - DAY)
    after = train(world, settings, until=SPLIT - DAY)
    assert weights(settings, after.version) == weights(settings, before.version)


def test_a_label_known_exactly_at_until_is_not_trained_on(settings: Settings, world: Sessions) -> None:
    with world() as session:
        clicks = stretches.read_log(session).clicks
    chosen = int(np.flatnonzero((clicks.known_at > SPLIT - DAY) & (clicks.weight > 0))[0])
    until = float(clicks.known_at[chosen])
    at = train(world, settings, until=until)
    behind = train(world, settings, until=float(np.nextafter(until, np.inf)))
    assert change(world, "DELETE FROM clicks WHERE known_at = :t", t=until)
    without = train(world, settings, until=until)
    assert weights(settings, at.version) == weights(settings, without.version) != weights(settings, behind.version)


TOLD_EARLY = (
    "INSERT INTO clicks (event_id, user, article, at, known_at, weight, backfilled) "
    "SELECT 'early ' || event_id, user, article, :t, :t, weight, 0 FROM clicks WHERE position = :p"
)


def random_clicks(sessions: Sessions, *, known_early: bool) -> None:
    """Every click of a list becomes one of its items at random; told of a second before its list as well, if wished."""
    draw = np.random.default_rng(3)
    with sessions() as session:
        log = stretches.read_log(session)
    lists = log.impressions
    row_of = {position: row for row, position in enumerate(lists.position.tolist())}
    for position, impression in zip(log.clicks.position.tolist(), log.clicks.impression.tolist(), strict=True):
        if impression in row_of:
            row = row_of[impression]
            item = int(draw.choice(lists.items[lists.offsets[row] : lists.offsets[row + 1]]))
            change(sessions, "UPDATE clicks SET article = :a WHERE position = :p", a=item, p=position)
            if known_early:
                t = float(lists.known_at[row]) - 1.0
                change(sessions, TOLD_EARLY, t=t, p=position)


@pytest.mark.parametrize("leaking", [False, True])
def test_clicks_at_random_cannot_be_predicted_unless_a_label_leaks(
    settings: Settings, world: Sessions, leaking: bool
) -> None:
    """The leak that is planted, labels told of a second before their lists, shows that this test would see one."""
    random_clicks(world, known_early=leaking)
    middle = made_world.START + 2.5 * DAY
    model = train(world, settings, until=middle)
    auc = evaluate(world, settings, version=model.version, since=middle).summary["auc"]
    if leaking:
        assert auc > 0.7
    else:
        assert auc == pytest.approx(0.5, abs=0.06)


def test_an_evaluation_within_the_training_window_is_refused(settings: Settings, world: Sessions) -> None:
    with pytest.raises(RecsysError, match=f"trained on the log up to {room.rfc3339(SPLIT)}"):
        evaluate(world, settings, since=SPLIT - 1.0)
    with world() as session:
        assert "shown" not in models.get_version(session).metrics
    assert evaluate(world, settings, since=SPLIT).summary["impressions"] > 0


def test_figures_are_recorded_beside_one_another_for_the_version_named(settings: Settings, trained: Sessions) -> None:
    world, old = trained, live(trained)
    new = train(world, settings, until=SPLIT).version
    judged = evaluate(world, settings, version=old, since=SPLIT, until=END - 6 * HOUR)
    assert judged.summary["version"] == old
    assert evaluate(world, settings, since=SPLIT, live=True).summary["version"] == new
    with world() as session:
        first, second = (models.get_version(session, version).metrics for version in (old, new))
    assert first["shown"]["auc"] == judged.summary["auc"]
    assert set(first) == {"training", "shown"}
    assert set(second) == {"training", "live"}
    with pytest.raises(NotKnownError, match="recsys models"):
        evaluate(world, settings, version="v0", since=SPLIT)


def test_a_model_knows_the_articles_that_came_or_changed_after_it(settings: Settings, world: Sessions) -> None:
    encoders, version = expected_ids(settings), live(world) or ""
    added = [Article("fresh", title="Something new", section="sport"), Article(made_world.BARE, title="Named at last")]
    with writing(world) as session:
        articles.put_articles(session, added)
        made_world.put_vectors(session, added, encoders)
    with world() as session:
        data = load_dataset(session, encoders)
        keys = articles.keys_of(session, ["fresh", made_world.BARE, "a01"])
    views = load_model(world, settings, version, data).views
    for name in ("fresh", made_world.BARE):
        content, known = views.content.vectors(np.array([keys[name]]))
        assert known.all(), name
        assert np.abs(content).sum() > 0, name
    assert views.towers.clicks(np.array([keys["fresh"]])).tolist() == [0]


def test_promoting_makes_a_version_live(settings: Settings, trained: Sessions) -> None:
    version = train(trained, settings, until=SPLIT).version
    assert live(trained) != version
    promote(trained, settings, version)
    assert live(trained) == version
    with trained() as session:
        assert models.get_version(session, version).reason == "promoted by hand"


def test_a_promotion_by_hand_does_not_hide_what_the_gate_had_said(settings: Settings, trained: Sessions) -> None:
    before, version = live(trained) or "", train(trained, settings, until=SPLIT).version
    with writing(trained) as session:
        models.reject(session, version, "it lost .1 nDCG@10")
    for again in (version, before, version):
        promote(trained, settings, again)
    with trained() as session:
        assert models.get_version(session, version).reason == "promoted by hand; before: it lost .1 nDCG@10"


def test_what_cannot_serve_is_not_promoted(settings: Settings, trained: Sessions) -> None:
    world, before, version = trained, live(trained), train(trained, settings, until=SPLIT).version
    with pytest.raises(NotKnownError):
        promote(world, settings, "v0")
    other = settings.model_copy(update={"image_encoder": "resnet10t"})
    with pytest.raises(RecsysError, match=r"trained with tf_efficientnet_lite0.*restore RECSYS_IMAGE_ENCODER, or"):
        promote(world, other, version)
    damaged = settings.snapshots / version / "items.json"
    damaged.write_text(damaged.read_text()[:-5])
    with pytest.raises(RecsysError, match="missing or damaged"):
        promote(world, settings, version)
    shutil.rmtree(settings.snapshots / version)
    with pytest.raises(RecsysError, match="no snapshot in"):
        promote(world, settings, version)
    assert live(world) == before


def test_other_encoders_than_the_models_are_refused_when_it_is_evaluated(settings: Settings, world: Sessions) -> None:
    other = settings.model_copy(update={"image_encoder": "resnet10t"})
    with pytest.raises(RecsysError, match="the settings name"):
        evaluate(world, other, since=SPLIT)


@pytest.mark.parametrize("failure", [KeyboardInterrupt("by hand"), RecsysError("diverged"), MemoryError("too large")])
def test_an_interrupted_training_leaves_nothing(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    before = live(world), versions(world), snapshots(settings)

    def fail(*_: object, **__: object) -> None:
        raise failure

    hurry(monkeypatch, fail)
    with pytest.raises(type(failure), match=str(failure)):
        train(world, settings, until=SPLIT)
    assert (live(world), versions(world), snapshots(settings)) == before


def test_a_full_disk_is_explained_and_nothing_is_recorded(
    settings: Settings, trained: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(trained), versions(trained), snapshots(settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(snapshot, "save_file", full)
    with pytest.raises(RecsysError, match=r"could not be written to .*No space left on device"):
        train(trained, settings, until=SPLIT)
    assert (live(trained), versions(trained), snapshots(settings)) == before


def test_an_empty_log_says_what_to_do(settings: Settings, sessions: Sessions) -> None:
    with pytest.raises(RecsysError, match="The log is empty: import one"):
        train(sessions, settings)
    with pytest.raises(NotKnownError, match="There is no model yet"):
        evaluate(sessions, settings, since=0.0)


def test_until_before_everything_says_what_to_do(settings: Settings, world: Sessions) -> None:
    with pytest.raises(RecsysError, match="no event before --until: choose a later one"):
        train(world, settings, until=made_world.START - DAY)


def test_a_log_of_clicks_alone_trains_a_version_without_a_head(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    upgrade(settings)
    sessions = open_sessions(settings)
    with writing(sessions) as session:
        catalogue = made_world.made_articles(tmp_path)
        articles.put_articles(session, catalogue)
        made_world.put_vectors(session, catalogue, expected_ids(settings))
        _, clicks = made_world.made_log()
        events.add_clicks(session, [Click(c.event_id, c.user_id, c.article_id, c.at, weight=c.weight) for c in clicks])
    model = train(sessions, settings)
    assert model.heads is None
    assert live(sessions) == model.version
    with sessions() as session:
        row = describe(models.get_version(session, model.version))
        data = load_dataset(session, expected_ids(settings))
    assert row["since"] is None
    assert load_model(sessions, settings, model.version, data).heads is None


def test_a_catalogue_without_any_vector_trains_on_ids(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    upgrade(settings)
    sessions = open_sessions(settings)
    with writing(sessions) as session:
        lists, clicks = made_world.made_log()
        events.add_impressions(session, lists)
        events.add_clicks(session, clicks)
        assert vectors.dim_of(session, expected_ids(settings)["title"]) == 1
    model = train(sessions, settings, until=SPLIT)
    judged = evaluate(sessions, settings, version=model.version, since=SPLIT)
    assert all(math.isfinite(judged.summary[name]) for name in ("auc", "log_loss", "ece"))
