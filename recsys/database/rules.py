"""What editors ordered: an article or a section pinned, boosted, buried or blocked, from a time to a time."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from recsys.database import articles, merges
from recsys.database.tables import ARTICLES, RULES, RuleRow
from recsys.database.types import SECONDS, storable
from recsys.domain import Action, NotKnownError, Timestamp


@dataclass(frozen=True)
class Rule:
    """One order, of an article or of a section."""

    rule: int
    action: Action
    article: int | None  # key of the article that goes on, where it was merged
    article_id: str | None
    section: str | None
    place: int | None  # of a pin, from 1
    amount: float | None  # of a boost or a burial, in logits, above 0
    since: Timestamp | None
    until: Timestamp | None
    created_at: Timestamp
    ended_at: Timestamp | None

    def in_force(self, at: Timestamp) -> bool:
        """Whether it holds at a time: from ``since`` up to, and not at, ``until`` or its end."""
        begins = max(self.created_at, self.since or 0.0)
        return begins <= at and not any(end is not None and end <= at for end in (self.until, self.ended_at))


# with the article as it is today, which may have been merged since
NAMED = ARTICLES.alias()
SELECTED = select(
    RULES.c.rule, RULES.c.action, ARTICLES.c.key, ARTICLES.c.article_id, RULES.c.section, RULES.c.place, RULES.c.amount,
    RULES.c.since, RULES.c.until, RULES.c.created_at, RULES.c.ended_at,
).select_from(
    RULES.outerjoin(NAMED, NAMED.c.key == RULES.c.article).outerjoin(
        ARTICLES, ARTICLES.c.key == func.coalesce(NAMED.c.merged_into, NAMED.c.key)
    )
)  # fmt: skip
AT = bindparam("at", type_=SECONDS)
IN_FORCE = SELECTED.where(  # made once: every answer asks this
    RULES.c.created_at <= AT,
    or_(RULES.c.since.is_(None), RULES.c.since <= AT),
    or_(RULES.c.until.is_(None), RULES.c.until > AT),
    or_(RULES.c.ended_at.is_(None), RULES.c.ended_at > AT),
).order_by(RULES.c.rule)


def add_rule(
    session: Session,
    *,
    action: Action,
    article_id: str | None = None,
    section: str | None = None,
    place: int | None = None,
    amount: float | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    at: Timestamp,
) -> Rule:
    """Write an order; of an article, or of a section.

    Raises:
        NotKnownError: when the article is not in the catalogue.
    """
    since, until = (None if time is None else storable(time) for time in (since, until))
    article = None if article_id is None else _in_catalogue(session, article_id)
    row = RuleRow(
        action=action, article=article, section=section, place=place, amount=amount, since=since, until=until,
        created_at=storable(at),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return find_rule(session, row.rule)


def find_rule(session: Session, rule: int) -> Rule:
    """One rule, also an ended one.

    Raises:
        NotKnownError: when there is none of this number.
    """
    row = session.execute(SELECTED.where(RuleRow.rule == rule)).one_or_none()
    if row is None:
        raise NotKnownError(f"There is no rule {rule}: GET /v1/rules lists them.")
    return _rule(row)


def newest_rules(session: Session, limit: int, offset: int = 0) -> list[Rule]:
    """The newest rules, newest first, with those that ended."""
    rows = session.execute(SELECTED.order_by(RuleRow.rule.desc()).limit(limit).offset(offset))
    return [_rule(row) for row in rows]


def rules_in_force(session: Session, at: Timestamp) -> list[Rule]:
    """Those that hold at a time, oldest first; a past time gets what held then."""
    return [_rule(row) for row in session.execute(IN_FORCE, {"at": at})]


def end_rule(session: Session, rule: int, at: Timestamp) -> Rule:
    """Take a rule back: it is kept with the time of its end. One that was taken back before stays as it was.

    Raises:
        NotKnownError: when there is none of this number.
    """
    row = session.get(RuleRow, rule)
    if row is not None and row.ended_at is None:
        row.ended_at = storable(at)
        session.flush()
    return find_rule(session, rule)


def _in_catalogue(session: Session, article_id: str) -> int:
    key = merges.surviving_keys(session, [article_id]).get(article_id)
    if key is None or key not in articles.cards_by_key(session, [key]):
        raise NotKnownError(f"There is no article {article_id!r} in the catalogue: PUT it to /v1/articles first.")
    return key


def _rule(row: Any) -> Rule:
    return Rule(*row)
