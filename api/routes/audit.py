"""Who changed what about the service: rules, versions, keys."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from api.deps import SessionsDep
from api.fields import Text, instant
from api.security import needs
from recsys.database import audit
from recsys.database.tables import AuditRow

router = APIRouter(prefix="/audit")


class AuditedOut(BaseModel):
    """One change."""

    at: datetime
    who: str = Field(description="the name of the API key; local where there was none, cli for a command")
    action: str = Field(description="such as model.promote")
    subject: str = Field(description="the rule, the version, the key")
    details: dict[str, Any]


class AuditOut(BaseModel):
    """The newest changes, newest first."""

    changes: list[AuditedOut]


@router.get("", dependencies=[needs("admin")])
def list_changes(
    sessions: SessionsDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    action: Annotated[
        Text | None, Query(description="model for everything done with models, model.promote for that")
    ] = None,
    subject: Annotated[Text | None, Query(description="of one rule, version or key")] = None,
) -> AuditOut:
    """Who changed what, and when; nothing deletes it."""
    with sessions() as session:
        rows = audit.newest(session, limit, action=action, subject=subject)
    return AuditOut(changes=[_out(row) for row in rows])


def _out(row: AuditRow) -> AuditedOut:
    return AuditedOut(at=instant(row.at), who=row.who, action=row.action, subject=row.subject, details=row.details)
