"""What checks are given, and what they give."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from sqlalchemy.orm import Session

from recsys.database import health
from recsys.domain import Modality, Timestamp
from recsys.settings import Settings

DAY = 86400.0
NEWEST = 100_000  # events that are looked at, so that a long log takes no longer


@dataclass(frozen=True)
class Finding:
    """A trouble, and what to do about it; with an error recsys cannot do its work."""

    severity: Literal["error", "warning"]
    what: str
    do: str


@dataclass(frozen=True)
class Visit:
    """One reading of the database under some settings, at a time."""

    session: Session
    settings: Settings
    encoders: Mapping[Modality, str]  # the ids that the settings name
    now: Timestamp

    @cached_property
    def newest(self) -> Timestamp | None:
        """When the newest event of the log became known; None in an empty one."""
        return health.newest(self.session)


Findings = Iterator[Finding]
Check = Callable[[Visit], Findings]


def error(what: str, do: str) -> Finding:
    """Something that keeps recsys from its work."""
    return Finding("error", what, do)


def warning(what: str, do: str) -> Finding:
    """Something that makes it worse than it could be."""
    return Finding("warning", what, do)
