"""Writing a chunk of checked records in one transaction, and refusing what contradicts the log."""

from collections.abc import Container, Iterable
from typing import cast

from sqlalchemy.orm import Session

from recsys.database import articles, events
from recsys.database.bulk import one_at_a_time
from recsys.domain import Article, Click, Impression
from recsys.ingest.conflicts import conflicting_clicks, conflicting_impressions
from recsys.ingest.rows import Found
from recsys.ingest.tally import Tally

NOT_IN_LIST = "the clicked article is not in its list"
OTHER_EVENT = "another event with this id came first"


def write(session: Session, found: list[Found], tally: Tally) -> None:
    """Write articles, then impressions, then clicks, each in their order; articles that were deleted stay so."""
    one_at_a_time(session, "events")  # as whoever writes events: two that name the same ids would wait for each other
    described = [entry.record for entry in found if isinstance(entry.record, Article)]
    shown = [entry for entry in found if isinstance(entry.record, Impression)]
    clicked = [entry for entry in found if isinstance(entry.record, Click)]
    if described:
        tally.deleted += articles.count_deleted(session, {article.article_id for article in described})
        tally.new["articles"] += articles.put_articles(session, described, revive=False)
    lists = _impressions(shown)
    lists = _impressions(_kept(shown, conflicting_impressions(session, lists), OTHER_EVENT, tally))
    tally.new["impressions"] += events.add_impressions(session, lists)
    known = events.lists_of(session, {name for click in _clicks(clicked) if (name := click.impression_id) is not None})
    clicked = _kept(clicked, events.strangers(session, _clicks(clicked), known), NOT_IN_LIST, tally)
    clicked = _kept(clicked, conflicting_clicks(session, _clicks(clicked)), OTHER_EVENT, tally)
    _tell_detached(clicked, known, tally)
    tally.new["clicks"] += events.add_clicks(session, _clicks(clicked))
    tally.accepted.update(articles=len(described), impressions=len(lists), clicks=len(clicked))


def _tell_detached(clicked: list[Found], lists: Container[str], tally: Tally) -> None:
    for entry, click in zip(clicked, _clicks(clicked), strict=True):
        if click.impression_id is not None and click.impression_id not in lists:
            tally.detach(entry, click.impression_id)


def _kept(found: list[Found], refused: set[int], reason: str, tally: Tally) -> list[Found]:
    for place in sorted(refused):
        tally.refuse(found[place], reason)
    return [entry for place, entry in enumerate(found) if place not in refused]


def _impressions(found: Iterable[Found]) -> list[Impression]:
    return [cast(Impression, entry.record) for entry in found]


def _clicks(found: Iterable[Found]) -> list[Click]:
    return [cast(Click, entry.record) for entry in found]
