"""Editors' rules: an article or a section pinned, boosted, buried or blocked, from a time to a time."""

import time
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from api.deps import WRITES, SessionsDep
from api.fields import Id, Instant, Section, instant
from api.problems import documented
from api.security import WhoDep, needs
from recsys.database import audit, rules
from recsys.database.rules import Rule
from recsys.database.session import writing
from recsys.database.types import storable
from recsys.domain import Action, Timestamp
from recsys.ingest.validate import LARGEST_INTEGER

router = APIRouter(prefix="/rules", dependencies=[needs("admin")])

LAST_PLACE = 100  # as many as an answer may have
MOST_LOGITS = 20.0
DEFAULT_LOGITS = 1.0
MOST_CHANGES = 100  # a rule has two

RuleId = Annotated[int, Path(ge=1, le=LARGEST_INTEGER)]


class RuleIn(BaseModel):
    """An order. Of an article or of a section; only an article can be pinned."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    article_id: Id | None = None
    section: Section | None = None
    place: int | None = Field(
        None, ge=1, le=LAST_PLACE, description="of a pinned article, from 1, which is the default"
    )
    logits: float | None = Field(
        None, gt=0, le=MOST_LOGITS, description=f"how far to boost or bury; {DEFAULT_LOGITS} unless given"
    )
    since: Instant | None = Field(None, description="from now on where it is not given")
    until: Instant | None = Field(None, description="until it is deleted where it is not given")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.article_id is None) == (self.section is None):
            raise ValueError("name an article_id or a section, and not both")
        if self.action == "pin" and self.article_id is None:
            raise ValueError("only an article can be pinned: name an article_id")
        if self.place is not None and self.action != "pin":
            raise ValueError("only a pinned article has a place")
        if self.logits is not None and self.action not in ("boost", "bury"):
            raise ValueError("only a boost or a burial has logits")
        if self.until is not None and self.until.timestamp() <= (
            time.time() if self.since is None else self.since.timestamp()
        ):
            raise ValueError("it would end before it begins")
        return self


class ChangeOut(BaseModel):
    """Who did what to a rule, and when."""

    at: datetime
    who: str
    action: str = Field(description="rule.create or rule.end")
    details: dict[str, Any]


class RuleOut(BaseModel):
    """A rule."""

    id: str
    action: Action
    article_id: str | None
    section: str | None
    place: int | None
    logits: float | None
    since: datetime | None
    until: datetime | None
    created_at: datetime
    ended_at: datetime | None = Field(description="when it was deleted")
    active: bool = Field(description="whether it holds now")


class RuleWithChangesOut(RuleOut):
    """A rule and what was done to it."""

    changes: list[ChangeOut] = Field(description="oldest first")


class RulesOut(BaseModel):
    """Rules, newest first."""

    rules: list[RuleOut]


@router.post("", status_code=201, responses=documented(404), dependencies=[WRITES])
def create_rule(body: RuleIn, sessions: SessionsDep, who: WhoDep) -> RuleWithChangesOut:
    """Make a rule, which holds for recommendations in every process from the next request on.

    `pin` shows an article at a place, though no source found it and however old it is; `boost` and `bury` move the
    utility of an article, or of all of a section; `block` keeps them out. What the reader has read, what a request
    excludes and other sections than it asks for stay out whatever a rule says. 404 for an unknown article.
    """
    now = storable(time.time())
    with writing(sessions) as session:
        rule = rules.add_rule(
            session,
            action=body.action,
            article_id=body.article_id,
            section=body.section,
            place=(body.place or 1) if body.action == "pin" else None,
            amount=(body.logits or DEFAULT_LOGITS) if body.action in ("boost", "bury") else None,
            since=None if body.since is None else body.since.timestamp(),
            until=None if body.until is None else body.until.timestamp(),
            at=now,
        )
        ordered = body.model_dump(mode="json", exclude_none=True)
        audit.record(session, at=now, who=who, action="rule.create", subject=str(rule.rule), details=ordered)
        return _with_changes(session, rule, now)


@router.get("")
def list_rules(
    sessions: SessionsDep,
    active: Annotated[bool, Query(description="only those that hold now")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=LARGEST_INTEGER)] = 0,
) -> RulesOut:
    """The rules, newest first; those that ended as well, unless `active` is asked for."""
    now = time.time()
    with sessions() as session:
        if active:
            found = rules.rules_in_force(session, now)[::-1][offset : offset + limit]
        else:
            found = rules.newest_rules(session, limit, offset)
    return RulesOut(rules=[RuleOut(**_columns(rule, now)) for rule in found])


@router.get("/{rule_id}", responses=documented(404))
def get_rule(rule_id: RuleId, sessions: SessionsDep) -> RuleWithChangesOut:
    """One rule: what it says, and who made and ended it."""
    with sessions() as session:
        return _with_changes(session, rules.find_rule(session, rule_id), time.time())


@router.delete("/{rule_id}", responses=documented(404), dependencies=[WRITES])
def end_rule(rule_id: RuleId, sessions: SessionsDep, who: WhoDep) -> RuleWithChangesOut:
    """End a rule, from the next request on. It is kept, with the time of its end; ending it again changes nothing."""
    now = storable(time.time())
    with writing(sessions) as session:
        before = rules.find_rule(session, rule_id)
        rule = rules.end_rule(session, rule_id, now)
        if before.ended_at is None:
            audit.record(session, at=now, who=who, action="rule.end", subject=str(rule_id))
        return _with_changes(session, rule, now)


def _with_changes(session: Session, rule: Rule, now: Timestamp) -> RuleWithChangesOut:
    session.flush()
    noted = audit.newest(session, MOST_CHANGES, action="rule", subject=str(rule.rule))
    changes = [ChangeOut(at=instant(c.at), who=c.who, action=c.action, details=c.details) for c in reversed(noted)]
    return RuleWithChangesOut(**_columns(rule, now), changes=changes)


def _columns(rule: Rule, now: Timestamp) -> dict[str, Any]:
    times = {name: getattr(rule, name) for name in ("since", "until", "created_at", "ended_at")}
    return {
        "id": str(rule.rule),
        "action": rule.action,
        "article_id": rule.article_id,
        "section": rule.section,
        "place": rule.place,
        "logits": rule.amount,
        "active": rule.in_force(now),
        **{name: None if at is None else instant(at) for name, at in times.items()},
    }
