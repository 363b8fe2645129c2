"""Events from clients: each is checked on its own, and those that are sound enter the log together."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from api.problems import reasons, sentence
from api.schemas import ClickIn, ContextIn, DwellIn, EventIn, EventsOut, ImpressionIn, RejectedOut
from recsys.database import events, served, users
from recsys.database.bulk import one_at_a_time
from recsys.database.served import FoundList
from recsys.database.session import Sessions, writing
from recsys.domain import Click, Impression, Timestamp
from recsys.ingest.validate import why_refused, without_repeats

AHEAD = 60.0  # seconds that a client's clock may be ahead of the server's

AnyEvent = ClickIn | DwellIn | ImpressionIn
EVENT: TypeAdapter[AnyEvent] = TypeAdapter(EventIn)
ServedLists = dict[str, FoundList]


@dataclass
class _Batch:
    """Events of one request that are sound, as the log keeps them, and why the others are not."""

    impressions: list[Impression] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    dwells: list[tuple[int, DwellIn]] = field(default_factory=list)
    rejected: list[RejectedOut] = field(default_factory=list)

    def reject(self, index: int, reason: str) -> None:
        """Note why the event at a place in the request is not taken."""
        self.rejected.append(RejectedOut(index=index, reason=reason))

    def keep(self, index: int, made: Impression | Click) -> None:
        """Keep an event for the log, unless that would refuse it."""
        if reason := why_refused(made):
            self.reject(index, reason)
        elif isinstance(made, Impression):
            self.impressions.append(without_repeats(made))
        else:
            self.clicks.append(made)


def lists_named(sent: Sequence[Any]) -> set[str]:
    """The lists that events name, which may be served ones that are about to be logged."""
    sound = [event for event in sent if isinstance(event, dict)]
    named = [event.get("impression_id") for event in sound]
    named += [event.get("event_id") for event in sound if event.get("type") == "impression"]
    return {name for name in named if isinstance(name, str)}


def take(sessions: Sessions, sent: Sequence[Any]) -> EventsOut:
    """Take the events of one request; they all become known at one time.

    That time is read while the write lock is held, so that the log's order of commits is its order of times.

    Raises:
        NotReadyError: when the database is busy; nothing was taken then.
    """
    batch = _Batch()
    parsed = _parsed(sent, batch)
    senders = {event.user_id for _, event in parsed}
    with writing(sessions) as session:
        one_at_a_time(session, "events")
        now = time.time()
        readers = users.readers_of(session, senders)
        parsed = [(index, _by_reader(event, readers)) for index, event in parsed]
        named = {name for _, event in parsed if (name := _list_of(event)) is not None}
        lists = served.find_served(session, named)
        owners = _owners(session, parsed, named, lists)
        for index, event in parsed:
            if reason := _why_rejected(event, owners, now):
                batch.reject(index, reason)
            else:
                _sort_in(batch, index, event, lists, now)
        accepted = _add(session, batch, lists, now)
    batch.rejected.sort(key=lambda rejected: rejected.index)
    duplicates = len(sent) - accepted - len(batch.rejected)
    return EventsOut(accepted=accepted, duplicates=duplicates, rejected=batch.rejected)


def _parsed(sent: Sequence[Any], batch: _Batch) -> list[tuple[int, AnyEvent]]:
    parsed = []
    for index, raw in enumerate(sent):
        try:
            parsed.append((index, EVENT.validate_python(raw)))
        except ValidationError as error:
            batch.reject(index, sentence(reasons(error)))
    return parsed


def _by_reader(event: AnyEvent, readers: dict[str, str]) -> AnyEvent:
    """The event as the reader's own, where it names an id that logged in as one."""
    reader = readers.get(event.user_id)
    return event if reader is None else event.model_copy(update={"user_id": reader})


def _list_of(event: AnyEvent) -> str | None:
    return event.list_id if isinstance(event, ImpressionIn) else event.impression_id


def _owners(
    session: Session, sent: Sequence[tuple[int, AnyEvent]], named: set[str], lists: ServedLists
) -> dict[str, str]:
    """Whose the ``named`` lists are: served ones, those in the log, and else those of this very request."""
    owners = {name: found.user_id for name, found in lists.items()}
    owners |= events.owners_of(session, named - lists.keys())
    for _, event in sent:
        if isinstance(event, ImpressionIn):
            owners.setdefault(event.list_id, event.user_id)
    return owners


def _sort_in(batch: _Batch, index: int, event: AnyEvent, lists: ServedLists, now: Timestamp) -> None:
    if isinstance(event, DwellIn):
        batch.dwells.append((index, event))
    else:
        batch.keep(index, _impression(event, lists, now) if isinstance(event, ImpressionIn) else _click(event, now))


def _why_rejected(event: AnyEvent, owners: dict[str, str], now: Timestamp) -> str | None:
    if event.at.timestamp() > now + AHEAD:
        return f"at lies more than {AHEAD:.0f} s in the future: set the client's clock"
    name = _list_of(event)
    if name is not None and owners.get(name, event.user_id) != event.user_id:
        return f"the list {name} is another user's"
    return None


def _click(event: ClickIn, now: Timestamp) -> Click:
    return Click(
        event_id=event.event_id,
        user_id=event.user_id,
        article_id=event.article_id,
        at=min(event.at.timestamp(), now),
        impression_id=event.impression_id,
        known_at=now,
        dwell_seconds=event.dwell_seconds,
        weight=0.0 if event.type == "dismiss" else 1.0,
    )


def _impression(event: ImpressionIn, lists: ServedLists, now: Timestamp) -> Impression:
    """What the client says was seen, in the context in which it was served as far as the client does not say."""
    context = event.context or ContextIn()
    if event.list_id in lists:
        known = ContextIn.model_validate(lists[event.list_id].context, from_attributes=True)
        context = known.model_copy(update=context.model_dump(exclude_none=True))
    at = min(event.at.timestamp(), now)
    return Impression(event.list_id, event.user_id, at, tuple(event.items), context.to_domain(), now)


def _add(session: Session, batch: _Batch, lists: ServedLists, now: Timestamp) -> int:
    """Write a batch and return how many of its events were news. A click in a served list says that it was seen."""
    accepted = events.add_impressions(session, batch.impressions)
    clicks = _attributed(session, batch.clicks, lists)
    for impression_id in {click.impression_id for click in clicks} & lists.keys():
        assert impression_id is not None
        served.confirm_served(session, impression_id, now)
    accepted += events.add_clicks(session, clicks)
    for index, event in batch.dwells:
        news = events.set_dwell(session, event.user_id, event.article_id, event.dwell_seconds)
        if news is None:
            batch.reject(index, "there is no click of this user on this article to which the dwell time belongs")
        accepted += news is True
    return accepted


def _attributed(session: Session, clicks: list[Click], lists: ServedLists) -> list[Click]:
    """The clicks, of which those on what their list did not hold, as served or as seen, count for the reader alone."""
    named = {click.impression_id for click in clicks if click.impression_id is not None}
    held = {name: found.shown for name, found in lists.items()} | events.lists_of(session, named - lists.keys())
    strange = events.strangers(session, clicks, held)
    if strange:  # of a served list, what the client said was seen may hold more
        seen = events.lists_of(session, lists.keys() & named)
        strange = events.strangers(session, clicks, {name: [*held[name], *seen.get(name, [])] for name in held})
    return [replace(click, impression_id=None) if p in strange else click for p, click in enumerate(clicks)]
