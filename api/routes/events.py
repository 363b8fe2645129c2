"""What users did: clicks, reading times, dismissals and seen lists."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, SkipValidation

from api import intake
from api.deps import WRITES, RecommenderDep, SessionsDep
from api.schemas import EventIn, EventsOut
from api.security import needs
from recsys.serving.metrics import count_events

router = APIRouter()

MOST_EVENTS = 1000


class EventsIn(BaseModel):
    """Events in the order in which they happened; each is checked on its own."""

    # Not validated here, since one wrong event must not refuse the others; the schema is documented all the same.
    events: Annotated[list[SkipValidation[EventIn]], Field(max_length=MOST_EVENTS)]


@router.post("/events", status_code=202, dependencies=[needs("write"), WRITES])
def add_events(body: EventsIn, sessions: SessionsDep, recommender: RecommenderDep) -> EventsOut:
    """Take events into the log. What is known already is counted and changes nothing; what is wrong is rejected."""
    if lists := intake.lists_named(body.events):
        recommender.served.catch_up(lists)
    taken = intake.take(sessions, body.events)
    count_events(taken.accepted, taken.duplicates, len(taken.rejected))
    return taken
