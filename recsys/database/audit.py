"""Who changed what about the service, and when: rules, versions, keys."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.database.tables import AuditRow
from recsys.domain import Timestamp


def record(
    session: Session, *, at: Timestamp, who: str, action: str, subject: str, details: dict[str, Any] | None = None
) -> None:
    """Note a change, in the transaction that makes it; ``action`` is such as "rule.create" or "model.promote"."""
    session.add(AuditRow(at=at, who=who, action=action, subject=subject, details=details or {}))


def newest(session: Session, limit: int, *, action: str | None = None, subject: str | None = None) -> list[AuditRow]:
    """The newest changes, newest first; of one action ("rule" means all "rule.…") or one subject where named."""
    statement = select(AuditRow).order_by(AuditRow.position.desc()).limit(limit)
    if action is not None:
        of_its_kind = AuditRow.action.startswith(f"{action}.", autoescape=True)
        statement = statement.where(of_its_kind | (AuditRow.action == action))
    if subject is not None:
        statement = statement.where(AuditRow.subject == subject)
    return list(session.scalars(statement))
