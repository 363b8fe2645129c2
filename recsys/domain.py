"""The nouns that every room speaks: articles, impressions, clicks, and what is answered.

Every time is a ``Timestamp``: seconds since 1970-01-01T00:00:00Z as a float. Readers and routes turn dates with a
zone into timestamps at the door, so that no room inside has to ask which zone a time is in.
"""

from dataclasses import dataclass, field
from typing import Literal

Timestamp = float
Page = Literal["front", "article"]
Modality = str  # "title", "image", ...
Action = Literal["pin", "boost", "bury", "block"]  # what an editors' rule does


@dataclass(frozen=True, slots=True)
class Article:
    """One article as the publisher knows it; everything but its id may be missing."""

    article_id: str
    title: str | None = None
    summary: str | None = None
    body: str | None = None
    section: str | None = None
    author: str | None = None
    language: str | None = None
    url: str | None = None
    image: str | None = None  # path of a local file, or an http(s) address
    published_at: Timestamp | None = None
    expires_at: Timestamp | None = None
    premium: bool | None = None
    length: int | None = None  # characters in the body


def is_address(image: str) -> bool:
    """Whether the picture of an article is an http(s) address, and no path of a file."""
    return image[:8].lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class Context:
    """Where a list is shown; None is a category of its own that training also sees."""

    page: Page | None = None
    context_article: str | None = None  # the article being read, on an article page
    device: str | None = None
    subscriber: bool | None = None
    placement: str | None = None


@dataclass(frozen=True, slots=True)
class Impression:
    """A list of articles shown to one user at one time, in the order shown."""

    impression_id: str
    user_id: str
    at: Timestamp
    items: tuple[str, ...]
    context: Context = field(default_factory=Context)
    known_at: Timestamp = -1.0  # -1: the same as ``at``

    def __post_init__(self) -> None:
        if self.known_at < 0:
            object.__setattr__(self, "known_at", self.at)


@dataclass(frozen=True, slots=True)
class Click:
    """One user opened one article; ``known_at`` is the earliest time at which the system could know it.

    ``weight`` grades the feedback: 1 is a click, 0 says the article is known to have been seen but not liked (it is
    never a positive example, and is not recommended again). ``backfilled`` clicks were learnt in bulk long after they
    happened: they feed user histories and co-click, never the counters of clicks.
    """

    event_id: str
    user_id: str
    article_id: str
    at: Timestamp
    impression_id: str | None = None
    known_at: Timestamp = -1.0  # -1: the same as ``at``
    dwell_seconds: float | None = None
    weight: float = 1.0
    backfilled: bool = False

    def __post_init__(self) -> None:
        if self.known_at < 0:
            object.__setattr__(self, "known_at", self.at)


Event = Impression | Click


@dataclass(frozen=True, slots=True)
class ReadArticle:
    """An article that the user read, and by how much it moved the utility of a recommended one."""

    article_id: str
    title: str | None
    logits: float


@dataclass(frozen=True, slots=True)
class RankingInput:
    """A ranking input of an article, and by how much it moved the utility."""

    feature: str
    value: float
    logits: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an article was recommended, in terms a reader and an editor can follow; see ``recsys.pipeline.explain``."""

    because: tuple[str, ...]  # titles (or ids) of the read articles nearest to it, nearest first
    modalities: dict[Modality, float]  # the weight that fusion gave each modality of the article
    features: dict[str, float]  # the ranking inputs, by name
    because_of: tuple[ReadArticle, ...]  # the read articles that count most
    shapley: dict[Modality, float]  # what each modality adds to the utility
    moved_by: tuple[RankingInput, ...]  # the inputs that count most; none without a ranking head


@dataclass(frozen=True, slots=True)
class AppliedRule:
    """The editors' rule that had a hand in an article's place."""

    id: str
    action: Action


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One line of an answer; ``score`` is P(click | shown in this list), or without a head its share of one click."""

    article_id: str
    title: str | None
    section: str | None
    image_url: str | None
    published_at: Timestamp | None
    position: int
    score: float
    source: str
    explanation: Explanation | None = None
    rule: AppliedRule | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An article near another one; ``similarity`` is a cosine."""

    article_id: str
    title: str | None
    similarity: float
    image_url: str | None


class RecsysError(Exception):
    """A failure that is explained to the person in one sentence, without a traceback."""


class NotKnownError(RecsysError):
    """What was named is not there."""


class NotPossibleError(RecsysError):
    """What was asked contradicts the present state."""


class NotReadyError(RecsysError):
    """Not now: no model is live, or the database is busy; the same request may succeed later."""
