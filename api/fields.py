"""Annotated types of what requests carry: ids, texts, times, addresses and pictures."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from api import pictures
from recsys.domain import Timestamp
from recsys.ingest.validate import LARGEST_INTEGER, LATEST, LONGEST_ID, MOST_CHARACTERS

# a time without its zone passes here: what follows says that the zone is missing
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
PATH = re.compile(r"/(?![/\\])")  # browsers take two strokes of either kind for another host


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a zero character cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair cannot be stored") from error
    return text


def _decoded(sent: str) -> str:
    try:
        return unquote(sent, errors="strict")  # else all that is no UTF-8 would be one and the same id
    except UnicodeDecodeError as error:
        raise ValueError("an id in a path is percent-encoded UTF-8") from error


def _written(value: Any) -> Any:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError("a time is text like 2026-03-22T07:00:00Z")
    return value


def _in_our_times(moment: datetime) -> datetime:
    if abs(moment.timestamp()) >= LATEST:
        raise ValueError("a time lies between the years 1740 and 2200; what never ends has none")
    return moment


def _web_address(value: str) -> str:
    if not value.lower().startswith(("http://", "https://")) and not PATH.match(value):
        raise ValueError("an address begins with http:// or https://, or is a path of your site that begins with /")
    return value


Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID), AfterValidator(_storable)]
PathId = Annotated[Id, BeforeValidator(_decoded), Path()]
Text = Annotated[str, AfterValidator(_storable)]
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), AfterValidator(_storable)
]
Section = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS["section"]), AfterValidator(_storable)]
Language = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS["language"]), AfterValidator(_storable)]
Device = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS["device"]), AfterValidator(_storable)]
Placement = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS["placement"]), AfterValidator(_storable)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_our_times)]
Seconds = Annotated[float, Field(ge=0, lt=LATEST)]
Address = Annotated[Text, AfterValidator(_web_address)]
Picture = Annotated[Text, AfterValidator(pictures.checked)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


def instant(at: Timestamp) -> datetime:
    """A time of the program for an answer, in UTC."""
    return datetime.fromtimestamp(at, UTC)
