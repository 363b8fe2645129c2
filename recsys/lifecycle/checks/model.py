"""Troubles of the model: none, one that cannot be read, one that is older than what is known, and other encoders'."""

from recsys.database import models, vectors
from recsys.domain import RecsysError
from recsys.encoders import setting_of
from recsys.lifecycle.checks.visit import DAY, Check, Findings, Visit, error, warning
from recsys.lifecycle.versions import rfc3339
from recsys.pipeline.content import changed_encoders
from recsys.snapshots.manifest import read_manifest

OLD = 2 * DAY  # seconds of the log that the live version has not seen


def live(visit: Visit) -> Findings:
    """No live version."""
    if models.live_version(visit.session) is not None:
        return
    if models.versions(visit.session):
        yield error("There are model versions, but none is live.", "`recsys models` lists them, `recsys promote` one.")
    else:
        yield error("There is no model yet.", "Run `recsys encode` and `recsys train`.")


def snapshot(visit: Visit) -> Findings:
    """A live version whose files are not whole, or that reads vectors which are not made any more."""
    version = models.live_version(visit.session)
    if version is None:
        return
    try:
        manifest = read_manifest(visit.settings.snapshots / version)
    except RecsysError as damaged:
        yield error(
            f"The live version {version} cannot be read. {damaged}",
            "Restore its folder, or go back with `recsys rollback`.",
        )
        return
    changed = changed_encoders(manifest.encoders, dict(visit.encoders))
    if changed:
        yield warning(
            f"The live version {version} reads {' and '.join(changed)} vectors of encoders that the settings do not "
            "name: new articles have none.",
            f"Restore {' and '.join(setting_of(name) for name in changed)}, or run `recsys retrain`.",
        )


def age(visit: Visit) -> Findings:
    """A live version that has not seen the newest days of the log."""
    version, newest = models.live_version(visit.session), visit.newest
    until = None if version is None else models.get_version(visit.session, version).until
    if until is None or newest is None or newest - until <= OLD:
        return
    what = (
        f"The live version {version} was trained on the log up to {rfc3339(until)}; the newest event came "
        f"{(newest - until) / DAY:.1f} days later."
    )
    last = models.get_version(visit.session)
    if last.status == "rejected":
        yield warning(
            f"{what} The last training, {last.version}, was kept back: {last.reason}.",
            "Run `recsys retrain` when there are more lists with clicks, or make it live with `recsys promote`.",
        )
    else:
        yield warning(what, "Run `recsys retrain`, from cron or by RECSYS_RETRAIN_EVERY.")


def vectors_of_others(visit: Visit) -> Findings:
    """Vectors, but of another encoder than the settings name."""
    for modality, encoder in visit.encoders.items():
        made_by = vectors.encoders_of(visit.session, modality)
        if made_by and encoder not in made_by and vectors.count_not_encoded(visit.session, modality, encoder):
            yield error(
                f"All {modality} vectors are of {', '.join(sorted(made_by))}, and none of {encoder}, which the "
                "settings name.",
                f"Restore {setting_of(modality)}, or run `recsys encode` and `recsys retrain`.",
            )


CHECKS: tuple[Check, ...] = (live, snapshot, age, vectors_of_others)
