"""Model versions: what was trained, what is live, and the way back."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.database.bulk import one_at_a_time
from recsys.database.tables import ModelVersionRow, PromotionRow
from recsys.domain import NotKnownError, NotPossibleError, Timestamp


def add_version(
    session: Session,
    *,
    version: str,
    at: Timestamp,
    since: Timestamp | None,
    until: Timestamp | None,
    metrics: dict[str, Any],
) -> None:
    """Record a trained snapshot as a candidate."""
    row = ModelVersionRow(version=version, created_at=at, since=since, until=until, metrics=metrics, status="candidate")
    session.add(row)


def versions(session: Session) -> list[ModelVersionRow]:
    """All versions, oldest first."""
    return list(session.scalars(select(ModelVersionRow).order_by(ModelVersionRow.created_at, ModelVersionRow.version)))


def get_version(session: Session, version: str | None = None) -> ModelVersionRow:
    """The named version, or the newest.

    Raises:
        NotKnownError: when there is none.
    """
    if version is None:
        known = versions(session)
        if not known:
            raise NotKnownError("There is no model yet: run `recsys train`.")
        return known[-1]
    row = session.get(ModelVersionRow, version)
    if row is None:
        raise NotKnownError(f"There is no model version {version!r}: `recsys models` lists them.")
    return row


def set_metrics(session: Session, version: str, metrics: dict[str, Any]) -> None:
    """Add figures to those recorded for a version."""
    row = get_version(session, version)
    row.metrics = {**row.metrics, **metrics}


def live_version(session: Session) -> str | None:
    """The version that answers requests; None before the first promotion."""
    row = _last_promotion(session)
    return None if row is None else row.version


def live_before(session: Session) -> list[str]:
    """The versions that rollbacks would make live, one after the other."""
    found: list[str] = []
    row = _last_promotion(session)
    while row is not None and row.previous is not None and (row := session.get(PromotionRow, row.previous)) is not None:
        found.append(row.version)
    return list(dict.fromkeys(found))


def live_since(session: Session) -> tuple[str, Timestamp] | None:
    """The version that answers requests, and when it went live this time; None before the first promotion."""
    row = _last_promotion(session)
    return None if row is None else (row.version, row.at)


def promote(session: Session, version: str, at: Timestamp, reason: str) -> None:
    """Make a version live; one that is live already only gets another reason."""
    one_at_a_time(session, "promotions")
    row = get_version(session, version)
    row.status, row.reason = "promoted", reason
    last = _last_promotion(session)
    if last is None or last.version != version:
        session.add(PromotionRow(version=version, previous=None if last is None else last.position, at=at))


def reject(session: Session, version: str, reason: str) -> None:
    """Keep a version that must not go live, with the reason."""
    row = get_version(session, version)
    row.status, row.reason = "rejected", reason


def rollback(session: Session, at: Timestamp) -> str:
    """Make the version live that was live before the present one, and return it.

    Raises:
        NotPossibleError: when there is nothing to go back to.
    """
    one_at_a_time(session, "promotions")
    last = _last_promotion(session)
    before = None if last is None or last.previous is None else session.get(PromotionRow, last.previous)
    if before is None:
        raise NotPossibleError("There is no earlier live model to roll back to.")
    session.add(PromotionRow(version=before.version, previous=before.previous, at=at))
    return before.version


def _last_promotion(session: Session) -> PromotionRow | None:
    return session.scalar(select(PromotionRow).order_by(PromotionRow.position.desc()).limit(1))
