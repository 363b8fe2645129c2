"""Experiments: which version shares the traffic with the live one, for which share of the users, since when."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.database import audit, models
from recsys.database.bulk import one_at_a_time
from recsys.database.tables import ExperimentRow, PromotionRow
from recsys.domain import NotKnownError, NotPossibleError, Timestamp

FROM_SETTING = "RECSYS_EXPERIMENT"  # who the audit says it was, where the setting began or ended an experiment


@dataclass(frozen=True)
class Experiment:
    """A version that answers a share of the users beside the live one."""

    version: str
    share: float  # of the users
    since: Timestamp  # when the share was set; what came before is not comparable


def running(session: Session) -> Experiment | None:
    """The experiment in force; it ends by itself when its version is promoted, and no rollback brings it back."""
    row = session.scalar(select(ExperimentRow).order_by(ExperimentRow.position.desc()).limit(1))
    if row is None or row.version is None or row.version == models.live_version(session):
        return None
    promoted = select(PromotionRow.position).where(PromotionRow.version == row.version, PromotionRow.at >= row.at)
    ended = session.scalar(promoted.limit(1)) is not None
    return None if ended else Experiment(row.version, row.share, row.at)


def start(session: Session, version: str, share: float, *, at: Timestamp, who: str) -> Experiment:
    """Give a version a share of the users, instead of whatever experiment ran; the same again changes nothing.

    A new share of the same version begins its figures anew: with shares that change, lists of other days would weigh
    otherwise in one version than in the other (Simpson's paradox).

    Raises:
        NotKnownError: when there is no such version.
        NotPossibleError: when it is the live one, or nothing is live that it could share with.
    """
    one_at_a_time(session, "experiments")
    models.get_version(session, version)
    live, present = models.live_version(session), running(session)
    if live is None or live == version:
        why = "no model is live yet" if live is None else "it is live already"
        raise NotPossibleError(f"Version {version} cannot share the traffic with the live one: {why}.")
    if present is not None and (present.version, present.share) == (version, share):
        return present
    session.add(ExperimentRow(version=version, share=share, at=at))
    audit.record(session, at=at, who=who, action="experiment.start", subject=version, details={"share": share})
    return Experiment(version, share, at)


def end(session: Session, *, at: Timestamp, who: str) -> Experiment:
    """Everybody gets the live version again; returns what ran.

    Raises:
        NotKnownError: when no experiment runs.
    """
    one_at_a_time(session, "experiments")
    present = running(session)
    if present is None:
        raise NotKnownError("No experiment is running: PUT /v1/experiment starts one.")
    session.add(ExperimentRow(version=None, share=0.0, at=at))
    audit.record(session, at=at, who=who, action="experiment.end", subject=present.version, details={})
    return present


def is_from_setting(session: Session) -> bool:
    """Whether the experiment that runs was begun by a process with the setting."""
    newest = audit.newest(session, 1, action="experiment")
    return running(session) is not None and bool(newest) and newest[0].who == FROM_SETTING
