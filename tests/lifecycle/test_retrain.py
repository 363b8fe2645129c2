"""The gate: a candidate goes live when it is not worse on the newest slice, and never without saying why."""

import re
import shutil
from collections.abc import Callable
from types import SimpleNamespace

import made_world
import numpy as np
import pytest
from made_training import change, hurry, live, pretend, snapshots, versions
from sqlalchemy import update
from sqlalchemy.orm import Session

from recsys.database import articles, audit, events, models, stretches
from recsys.database.session import Sessions, writing
from recsys.database.tables import ModelVersionRow
from recsys.domain import Impression, RecsysError
from recsys.encoders import expected_ids
from recsys.evaluation.evaluate import FIRST_STAGE, Judged
from recsys.lifecycle import gate
from recsys.lifecycle import retrain as room
from recsys.lifecycle.encode import EncodeReport
from recsys.lifecycle.gate import GATE, Verdict, decide
from recsys.lifecycle.retrain import SLICE, Retrained, newest_slice, retrain
from recsys.lifecycle.starting import start_from
from recsys.lifecycle.versions import promote, rollback
from recsys.pipeline.load import load_dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest, write_manifest
from recsys.snapshots.snapshot import read_snapshot, write_snapshot
from recsys.training.fit import fit

DAY, HOUR = made_world.DAY, made_world.HOUR


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """The made world, whose model is live and saw all but the last day and six hours; some 90 lists were clicked since.

    A training gives the same model again.
    """
    sessions = made_world.install(settings)
    with writing(sessions) as session:
        session.execute(update(ModelVersionRow).values(until=made_world.SPLIT - 6 * made_world.HOUR))
    pretend(monkeypatch, sessions, settings)
    monkeypatch.setattr(gate, "FEWEST_CLICKED_LISTS", 50)
    monkeypatch.setattr(room, "ENOUGH", 75)
    return sessions


def run(sessions: Sessions, settings: Settings) -> Retrained:
    return retrain(sessions, settings, encode=EncodeReport)


def turn_round(model: Model) -> None:
    """Let the heads rank the other way round."""
    turn_first_stage(model)
    assert model.heads is not None
    model.heads.listwise.layers[-1].weight.data.neg_()


def turn_first_stage(model: Model) -> None:
    """Let the stage that orders answers do so alone."""
    assert model.heads is not None
    model.heads.pointwise.layers[-1].weight.data.neg_()


def judged(values: np.ndarray, users: np.ndarray | None = None, first_stage: np.ndarray | None = None) -> Judged:
    figures = {GATE: values, FIRST_STAGE: values if first_stage is None else first_stage}
    return Judged(figures, np.arange(len(values)) % 40 if users is None else users, {GATE: float(values.mean())})


def figures(mean: float, lists: int = 400, seed: int = 0) -> np.ndarray:
    return mean + 0.02 * np.random.default_rng(seed).standard_normal(lists)


@pytest.mark.parametrize(
    ("change", "margin", "promoted"),
    [(0.05, 0.005, True), (0.0, 0.005, True), (-0.05, 0.005, False), (-0.001, 0.0, False)],
)
def test_a_candidate_goes_live_unless_it_is_worse_by_more_than_the_margin(
    change: float, margin: float, promoted: bool
) -> None:
    before = figures(0.6)
    verdict = decide(judged(before + change), judged(before), margin)
    assert verdict.promoted is promoted
    assert f"{change:+.4f}" in verdict.why
    assert str(margin) in verdict.why


@pytest.mark.parametrize(("change", "promoted"), [(0.05, True), (-0.004, True), (-0.05, False)])
def test_the_stage_that_orders_answers_may_not_get_worse_either(change: float, promoted: bool) -> None:
    """The other stage only orders what the log shows."""
    before = figures(0.6)
    verdict = decide(judged(before, first_stage=before + change), judged(before), 0.005)
    assert verdict.promoted is promoted
    assert promoted or "the stage that orders answers lost 0.0500" in verdict.why


def test_a_small_loss_that_may_be_chance_is_within_the_margin_and_a_certain_one_is_not() -> None:
    before = figures(0.6)
    noise = np.random.default_rng(1).standard_normal(len(before))
    noise -= noise.mean()
    for spread, promoted in ((0.2, True), (0.001, False)):
        assert decide(judged(before - 0.004 + spread * noise), judged(before), 0.005).promoted is promoted
    verdict = decide(judged(before - 0.006 + 0.2 * noise), judged(before), 0.005)
    assert not verdict.promoted
    assert "it is worse" in verdict.why


def test_small_losses_of_a_chain_add_up_to_the_margin_and_no_further() -> None:
    before = figures(0.6)
    noise = np.random.default_rng(1).standard_normal(len(before))
    noise = 0.2 * (noise - noise.mean())  # no single loss is certain
    lost, promoted = 0.0, []
    for _ in range(4):
        verdict = decide(judged(before - 0.002 + noise), judged(before), 0.005, lost)
        promoted.append(verdict.promoted)
        assert verdict.lost == pytest.approx(lost + 0.002, abs=1e-9)
        lost = verdict.lost if verdict.promoted else lost
    assert promoted == [True, True, False, False]
    assert "it lost 0.0060, the margin is 0.005; next is one from scratch" in verdict.why
    assert verdict.worse
    assert decide(judged(before + 0.001 + noise), judged(before), 0.005, lost).promoted  # a gain uses nothing up
    scratch = decide(judged(before - 0.002 + noise), judged(before), 0.005)
    assert (scratch.promoted, scratch.lost) == (True, 0.0)


def test_too_few_clicked_lists_say_nothing() -> None:
    values = figures(0.6, lists=300)
    values[99:] = np.nan  # nothing was clicked there
    verdict = decide(judged(values + 0.3), judged(values), 0.005)
    assert not verdict.promoted
    assert not verdict.worse
    assert verdict.why == "only 99 clicked lists to compare on, 100 are needed"


def test_one_reader_says_nothing_of_the_others() -> None:
    users = np.zeros(300, np.int64)
    verdict = decide(judged(figures(0.2, 300), users), judged(figures(0.6, 300), users), 0.005)
    assert not verdict.promoted
    assert "only one reader" in verdict.why


def test_the_newest_slice_is_a_day_or_a_third_of_a_short_log() -> None:
    assert newest_slice((0.0, 10 * SLICE)) == 9 * SLICE
    assert newest_slice((0.0, 1.5 * SLICE)) == pytest.approx(SLICE)
    assert newest_slice((100.0, 130.0)) == pytest.approx(120.0)


def test_the_newest_slice_does_not_reach_into_what_the_live_version_saw() -> None:
    assert newest_slice((0.0, 10 * SLICE), seen=9.5 * SLICE) == 9.5 * SLICE
    assert newest_slice((0.0, 10 * SLICE), seen=5 * SLICE) == 9 * SLICE
    for everything in (10 * SLICE, 10 * SLICE + 1e-3):
        assert newest_slice((0.0, 10 * SLICE), seen=everything) == 9 * SLICE  # --full: it is judged all the same


def test_the_newest_slice_of_a_small_site_has_enough_to_compare_on() -> None:
    assert newest_slice((0.0, 10 * SLICE), enough=8 * SLICE) == 8 * SLICE
    assert newest_slice((0.0, 10 * SLICE), enough=9.9 * SLICE) == 9 * SLICE  # a day has them, and more
    assert newest_slice((0.0, 10 * SLICE), seen=8.5 * SLICE, enough=8 * SLICE) == 8.5 * SLICE
    assert newest_slice((0.0, 9 * SLICE), enough=-np.inf) == 6 * SLICE


def test_a_small_site_is_retrained_on_lists_of_many_days(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day has some 90 clicked lists here; the live version saw the first two of five days."""
    with writing(world) as session:
        session.execute(update(ModelVersionRow).values(until=made_world.START + 2 * DAY))
    monkeypatch.setattr(room, "ENOUGH", 120)
    done = run(world, settings)
    with world() as session:
        began = models.get_version(session, done.version).until
        enough = stretches.clicked_since(session, 120)
        clicked = stretches.clicked_since(session, 1)
    assert began == enough < made_world.END - DAY < clicked
    assert re.search(r"on 1[12]\d clicked lists of the newest slice", done.why), done.why


def test_a_log_that_cannot_be_split_says_so() -> None:
    with pytest.raises(RecsysError, match="too short to hold out"):
        newest_slice((5.0, 5.0))
    with pytest.raises(RecsysError, match=r"no impression to judge .* use `recsys train` and `recsys promote`"):
        newest_slice(None)


def test_a_candidate_that_is_not_worse_goes_live(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(world)
    hurry(monkeypatch, fit)  # in earnest
    done = run(world, settings)
    assert done.promoted
    assert live(world) == done.version != before
    assert "not worse" in done.why
    assert done.previous_metrics is not None
    assert done.previous_metrics["version"] == before
    assert done.metrics["version"] == done.version
    assert done.metrics["impressions"] == done.previous_metrics["impressions"] > 50
    with world() as session:
        row = models.get_version(session, done.version)
    assert (row.status, row.reason) == ("promoted", done.why)
    assert row.metrics["shown"]["auc"] == done.metrics["auc"]
    assert (row.until or 0.0) > made_world.SPLIT - 6 * made_world.HOUR  # where the version before it had ended


@pytest.mark.parametrize(
    ("damage", "why"), [(turn_round, "it is worse"), (turn_first_stage, "the stage that orders answers lost")]
)
def test_a_worse_candidate_is_kept_back_with_the_reason(
    settings: Settings,
    world: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Model], None],
    why: str,
) -> None:
    before = live(world)
    pretend(monkeypatch, world, settings, damage)
    done = run(world, settings)
    assert not done.promoted
    assert live(world) == before
    assert why in done.why
    with world() as session:
        row = models.get_version(session, done.version)
    assert (row.status, row.reason) == ("rejected", done.why)
    assert (row.metrics["shown"]["auc"] < 0.5) == (damage is turn_round)


def test_a_candidate_that_nobody_got_to_judge_is_kept_back_from_the_start(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(world)

    def killed(*_: object) -> Verdict:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "decide", killed)
    with pytest.raises(KeyboardInterrupt):
        run(world, settings)
    assert live(world) == before
    with world() as session:
        row = models.get_version(session)
    assert row.version != before
    assert row.status == "rejected"
    assert "not judged yet" in (row.reason or "")


def test_who_changes_the_live_version_meanwhile_has_the_last_word(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = room.train(world, settings).version
    with writing(world) as session:
        models.promote(session, other, 1.0, "by hand")
        models.rollback(session, 2.0)

    def meanwhile(*_: object) -> Verdict:
        with writing(world) as session:
            models.promote(session, other, 3.0, "by hand")
        return Verdict(True, "better", 0.1)

    monkeypatch.setattr(room, "decide", meanwhile)
    done = run(world, settings)
    assert not done.promoted
    assert f"{other} went live during the training" in done.why
    assert live(world) == other
    with world() as session:
        assert models.get_version(session, done.version).status == "rejected"


def test_a_candidate_that_was_promoted_by_hand_before_it_was_judged_stays_live(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: object) -> Verdict:
        with world() as session:
            candidate = models.get_version(session).version
        promote(world, settings, candidate)
        return Verdict(False, "worse", -0.1)

    monkeypatch.setattr(room, "decide", meanwhile)
    done = run(world, settings)
    assert live(world) == done.version
    assert done.promoted
    assert done.why.endswith("the gate says: worse")
    with world() as session:
        row = models.get_version(session, done.version)
    assert (row.status, row.reason) == ("promoted", done.why)
    promote(world, settings, done.version)  # changes nothing
    with world() as session:
        assert models.get_version(session, done.version).reason == done.why


def test_who_promoted_is_noted(settings: Settings, world: Sessions) -> None:
    before = live(world)
    done = run(world, settings)
    rollback(world, settings, who="ann")
    with world() as session:
        noted = [(row.who, row.action, row.subject, row.details) for row in audit.newest(session, 2)]
    assert noted == [
        ("ann", "model.rollback", before, {"previous": done.version}),
        ("retrain", "model.promote", done.version, {"why": done.why, "previous": before}),
    ]


def test_too_few_new_lists_keep_the_candidate_back(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "FEWEST_CLICKED_LISTS", 500)
    before = live(world)
    done = run(world, settings)
    assert not done.promoted
    assert "500 are needed" in done.why
    assert live(world) == before


def test_nothing_is_trained_when_the_live_version_saw_everything(settings: Settings, world: Sessions) -> None:
    newest = room.train(world, settings).version
    with writing(world) as session:
        models.promote(session, newest, 1.0, "by hand")
    before = versions(world), snapshots(settings)
    done = run(world, settings)
    assert (done.version, done.promoted, done.trained) == (newest, False, False)
    assert done.sentence == f"Version {newest} stays live: {room.NOTHING_NEW}."
    assert (versions(world), snapshots(settings)) == before
    full = retrain(world, settings, warm=False, encode=EncodeReport)
    assert (full.trained, versions(world)) == (True, [*before[0], full.version])
    assert full.previous_metrics is not None


def test_nothing_is_trained_again_on_lists_that_the_live_version_was_judged_on(
    settings: Settings, world: Sessions
) -> None:
    promoted = run(world, settings)
    assert promoted.promoted
    again = run(world, settings)
    assert (again.version, again.promoted, again.trained) == (promoted.version, False, False)
    with writing(world) as session:
        events.add_impressions(session, [Impression("later", "u01", made_world.END, ("a70", "a71"))])
    assert run(world, settings).trained


def test_nothing_is_trained_where_all_that_is_new_is_needed_to_judge(settings: Settings, world: Sessions) -> None:
    newest = room.train(world, settings, until=made_world.END - room.SLICE / 2).version
    with writing(world) as session:
        models.promote(session, newest, 1.0, "by hand")
    before = versions(world), snapshots(settings)
    done = run(world, settings)
    assert (done.version, done.trained, done.why) == (newest, False, room.ALL_TO_JUDGE)
    assert (versions(world), snapshots(settings)) == before
    assert retrain(world, settings, warm=False, encode=EncodeReport).trained


def test_without_the_files_of_the_live_version_only_a_full_training_goes_on(
    settings: Settings, world: Sessions
) -> None:
    shutil.rmtree(settings.snapshots / (live(world) or ""))
    with pytest.raises(RecsysError, match="recsys retrain --full"):
        run(world, settings)
    done = retrain(world, settings, warm=False, encode=EncodeReport)
    assert (done.promoted, done.why) == (True, room.NO_RIVAL)
    assert live(world) == done.version


def test_what_came_of_it_is_written_with_the_promotion_or_not_at_all(settings: Settings, world: Sessions) -> None:
    before, told = live(world), []

    def refuse(session: Session, done: Retrained) -> None:
        told.append((done, models.live_version(session)))
        raise RecsysError("The job is not ours any more.")

    with pytest.raises(RecsysError, match="not ours"):
        retrain(world, settings, encode=EncodeReport, finish=refuse)
    ((done, promoted),) = told
    assert (done.promoted, promoted) == (True, done.version)
    assert live(world) == before
    with world() as session:
        assert models.get_version(session, done.version).reason == room.UNJUDGED


def warm_from(sessions: Sessions) -> Callable[[Model], None]:
    """Let a training say that it went on from the live version."""

    def say(model: Model) -> None:
        model.metrics = {**model.metrics, "start": {"version": live(sessions), "generation": 1}}

    return say


def test_losses_of_a_chain_are_kept_with_its_versions_and_end_it(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, lost, starts = live(world) or "", [], []
    verdicts = iter([Verdict(True, "", -0.003, 0.003), Verdict(False, "spent", -0.003, 0.006), Verdict(True, "", 0.0)])

    def decided(_candidate: Judged, _live: Judged, _margin: float, before: float | None) -> Verdict:
        lost.append(before)
        return next(verdicts)

    def train(*given: object, start: str | None, **named: object) -> Model:
        begun, why = start_from(world, settings, start, data)
        starts.append(why or (begun.model.version if begun else None))
        pretend(monkeypatch, world, settings, warm_from(world) if begun else None)
        return real(*given, start=None, **named)

    with world() as session:
        data = load_dataset(session, expected_ids(settings))
    real = room.train
    monkeypatch.setattr(room, "decide", decided)
    monkeypatch.setattr(room, "train", train)
    made = [first]
    for number in range(3):
        with writing(world) as session:
            shown = Impression(f"new-{number}", "u01", made_world.END + number, ("a70", "a71"))
            events.add_impressions(session, [shown])
        made.append(run(world, settings).version)
    assert lost == [0.0, 0.003, None]
    assert starts == [first, made[1], f"{made[2]}, which went on from {made[1]}, was kept back as worse"]


def test_the_first_retraining_of_all_goes_live(settings: Settings, world: Sessions) -> None:
    change(world, "DELETE FROM promotions")
    change(world, "DELETE FROM model_versions")
    done = run(world, settings)
    assert (done.promoted, done.why, done.previous_metrics) == (True, "nothing was live yet", None)
    assert live(world) == done.version


def test_both_versions_are_judged_on_the_same_lists_while_readers_go_on_reading(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate_shown, counted = room.evaluate_shown, iter(range(10))

    def meanwhile(*arguments: object, **named: object) -> Judged:
        shown = Impression(f"new-{next(counted)}", "u01", made_world.END - 1.0, ("a70", "a71"))
        with writing(world) as session:
            events.add_impressions(session, [shown])
        return evaluate_shown(*arguments, **named)

    monkeypatch.setattr(room, "evaluate_shown", meanwhile)
    done = run(world, settings)
    assert done.previous_metrics is not None
    assert done.metrics["impressions"] == done.previous_metrics["impressions"]


def rewritten(sessions: Sessions, settings: Settings, change: Callable[[Model], None]) -> None:
    """Write the live version's snapshot anew, changed."""
    folder = settings.snapshots / (live(sessions) or "")
    with sessions() as session:
        model = read_snapshot(folder, lambda ids: articles.keys_of(session, ids))
        ids = dict(enumerate(articles.load_catalogue(session).article_ids))
    change(model)
    folder.rename(settings.home / "aside")
    write_snapshot(model, folder, ids)


def test_a_live_version_without_a_head_makes_way(settings: Settings, world: Sessions) -> None:
    def behead(model: Model) -> None:
        model.heads = None

    rewritten(world, settings, behead)
    done = run(world, settings)
    assert (done.promoted, done.previous_metrics) == (True, None)
    assert "no ranking head" in done.why
    assert live(world) == done.version


def test_a_live_version_of_other_encoders_makes_way(settings: Settings, world: Sessions) -> None:
    def rename(model: Model) -> None:
        model.encoders = {**model.encoders, "title": "another@1"}

    rewritten(world, settings, rename)
    done = run(world, settings)
    assert (done.promoted, done.previous_metrics) == (True, None)
    assert "other encoders" in done.why
    assert live(world) == done.version


def test_a_live_version_whose_head_reads_other_inputs_makes_way(settings: Settings, world: Sessions) -> None:
    folder = settings.snapshots / (live(world) or "")
    manifest = read_manifest(folder)
    inputs = ("another input", *manifest.shape.inputs[1:])
    write_manifest(manifest.model_copy(update={"shape": manifest.shape.model_copy(update={"inputs": inputs})}), folder)
    done = run(world, settings)
    assert (done.promoted, done.previous_metrics) == (True, None)
    assert "another version of recsys" in done.why


def test_a_live_version_whose_towers_are_made_otherwise_makes_way(settings: Settings, world: Sessions) -> None:
    folder = settings.snapshots / (live(world) or "")
    manifest = read_manifest(folder)
    towers = {**manifest.shape.towers, "distrust": 4.0}
    write_manifest(manifest.model_copy(update={"shape": manifest.shape.model_copy(update={"towers": towers})}), folder)
    done = run(world, settings)
    assert (done.promoted, done.previous_metrics) == (True, None)
    assert "another version of recsys" in done.why


def test_a_first_version_without_a_head_goes_live_all_the_same(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(world, "DELETE FROM promotions")
    change(world, "DELETE FROM model_versions")
    monkeypatch.setattr(room, "load_model", lambda *_: SimpleNamespace(heads=None))
    done = run(world, settings)
    assert (done.promoted, done.why, done.metrics) == (True, "nothing was live yet", {})
    assert live(world) == done.version


def test_a_damaged_live_version_is_explained_and_stays(settings: Settings, world: Sessions) -> None:
    before = live(world)
    (settings.snapshots / (before or "") / "items.json").write_text("[]")
    with pytest.raises(RecsysError, match="missing or damaged"):
        run(world, settings)
    assert live(world) == before


def test_what_is_new_is_encoded_before_the_training(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def encode() -> EncodeReport:
        order.append("encode")
        return EncodeReport()

    pretend(monkeypatch, world, settings, lambda _model: order.append("fit"))
    retrain(world, settings, encode=encode)
    assert order == ["encode", "fit"]


@pytest.mark.parametrize("stage", ["encode", "fit", "evaluate"])
def test_an_interruption_leaves_the_live_version_live(
    settings: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    before, (version,) = live(world), snapshots(settings)

    def stop(*_: object, **__: object) -> EncodeReport:
        raise KeyboardInterrupt

    if stage == "fit":
        hurry(monkeypatch, stop)
    if stage == "evaluate":
        monkeypatch.setattr(room, "evaluate_shown", stop)
    with pytest.raises(KeyboardInterrupt):
        retrain(world, settings, encode=stop if stage == "encode" else EncodeReport)
    assert live(world) == before == version
    left = [name for name in versions(world) if name != version]
    assert snapshots(settings) == sorted([version, *left])
    assert len(left) == (stage == "evaluate")  # a candidate like any other
