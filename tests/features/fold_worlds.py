"""Made logs for the tests of the fold: small worlds with equal stamps, late clicks, weights of 0 and backfilled clicks.

A world is plain Python, so that a test can bend it before it becomes the columns that the fold eats.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import hypothesis
import numpy as np
from hypothesis import strategies as st

from recsys.columns import NONE, ClickColumns, EventLog, Floats, ImpressionColumns
from recsys.features.examples import Examples
from recsys.features.features import Attributes
from recsys.features.replay import Replay
from recsys.features.state import TASTE, ArticleState

PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")  # numba's functions run as plain Python
START = 1_684_800_000.0
GAPS = (0.0, 0.0, 0.0, 1.0, 40.0, 1800.0, 7200.0, 40000.25, 86400.0, 300000.0)  # seconds between a list and the next
DELAYS = (0.0, 0.0, 1.0, 40.0, 1800.0, 7200.0, 100000.0)  # seconds from a list to its click
EARLY = (-40.0, -7200.0)  # of a list that arrives after its click
Bits = dict[int, tuple[bytes, ...]]  # what a list's example says, by the position of the list in the log


class Shown(NamedTuple):
    """A list shown to a user."""

    position: int
    user: int
    known_at: float
    items: tuple[int, ...]
    page: int = 0
    device: int = 0
    subscriber: int = -1
    context: int = NONE
    at: float = START


class Clicked(NamedTuple):
    """A click; ``shown`` is the position of its list."""

    position: int
    user: int
    article: int
    at: float
    known_at: float
    weight: float = 1.0
    backfilled: bool = False
    shown: int = NONE


@dataclass(frozen=True)
class World:
    """What happened, in no order; article keys are 1 to ``articles``, user keys 1 to ``users``."""

    shown: tuple[Shown, ...]
    clicked: tuple[Clicked, ...]
    articles: int
    users: int
    seed: int = 0  # of the catalogue

    @cached_property
    def attributes(self) -> Attributes:
        return made_attributes(self.articles, self.seed)


def thorough(examples: int) -> hypothesis.settings:
    """Hypothesis settings; plain Python is a hundred times slower, so that it sees fewer examples."""
    return hypothesis.settings(
        max_examples=max(3, examples // 10) if PLAIN else examples,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )


@st.composite
def worlds(draw: st.DrawFn, most: int = 16) -> World:
    """Worlds of up to ``most`` lists, some of one article, of one user or of one instant."""
    articles, users = draw(st.integers(1, 10)), draw(st.integers(1, 5))
    gaps = draw(st.sampled_from((GAPS, GAPS, GAPS, (0.0,))))
    article, user = st.integers(1, articles), st.integers(1, users)
    shown, clicked, t = [], [], START
    for position in range(1, draw(st.integers(1, most)) + 1):
        t += draw(st.sampled_from(gaps))
        items = tuple(draw(st.lists(article, min_size=1, max_size=5, unique=True)))
        context = draw(st.one_of(st.just(NONE), article))
        codes = draw(st.integers(0, 2)), draw(st.integers(0, 4)), draw(st.integers(-1, 1))
        shown.append(Shown(position, draw(user), t, items, *codes, context, t))
        for item, delay, weight in draw(st.lists(_answers(), max_size=2)):
            chosen = items[item % len(items)]
            clicked.append(Clicked(0, shown[-1].user, chosen, t, t + delay, weight, shown=position))
    for other in draw(st.lists(_others(user, article), max_size=4)):
        known_at = START + other[3]
        clicked.append(Clicked(0, other[0], other[1], known_at - other[2], known_at, other[4], other[5]))
    numbered = tuple(click._replace(position=place) for place, click in enumerate(clicked, 1))
    return World(tuple(shown), numbered, articles, users, draw(st.integers(0, 99)))


def _answers() -> st.SearchStrategy[tuple[int, float, float]]:
    return st.tuples(st.integers(0, 4), st.sampled_from(DELAYS + EARLY), st.sampled_from((1.0, 1.0, 0.0)))


def _others(
    user: st.SearchStrategy[int], article: st.SearchStrategy[int]
) -> st.SearchStrategy[tuple[int, int, float, float, float, bool]]:
    before, known = st.sampled_from((0.0, 60.0, 9e5, -500.0)), st.sampled_from((-1.0, 0.0, 41.0, 7200.0))
    return st.tuples(user, article, before, known, st.sampled_from((1.0, 0.0)), st.booleans())


def made_attributes(articles: int, seed: int) -> Attributes:
    """A catalogue for article keys 1 to ``articles`` in which everything is missing somewhere."""
    draw, size = np.random.default_rng(seed), articles + 1

    def or_nan(values: Floats) -> Floats:
        return np.where(draw.random(size) < 0.3, np.nan, values)

    signatures = draw.standard_normal((size, TASTE)).astype(np.float32)
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
    signatures[draw.random(size) < 0.2] = 0.0
    return Attributes(
        published_at=or_nan(START + draw.uniform(-3e5, 3e5, size)),
        section=draw.integers(-1, 3, size),
        sections=3,
        premium=or_nan(draw.integers(0, 2, size).astype(np.float64)),
        length=or_nan(draw.integers(0, 9000, size).astype(np.float64)),
        signatures=signatures,
    )


def busy_world(seed: int, *, lists: int = 300, articles: int = 24, users: int = 12) -> World:
    """A world in which user 1, and the readers of article 1, overflow what the fold remembers."""
    draw = np.random.default_rng(seed)
    shown, clicked, t = [], [], START
    for position in range(1, lists + 1):
        t += float(draw.choice((0.0, 0.0, 1.0, 45.0, 900.0)))
        user = 1 if draw.random() < 0.4 else int(draw.integers(1, users + 1))
        items = tuple(int(a) for a in draw.permutation(np.arange(1, articles + 1))[: draw.integers(1, 7)])
        context = int(draw.integers(1, articles + 1)) if draw.random() < 0.5 else NONE
        page, device, subscriber = int(draw.integers(0, 3)), int(draw.integers(0, 5)), int(draw.integers(-1, 2))
        at = t - float(draw.choice((0.0, 0.0, 30.0)))
        shown.append(Shown(position, user, t, items, page, device, subscriber, context, at))
        for chosen in (items[0], 1) if draw.random() < 0.6 else (items[-1],):
            delay, weight = float(draw.choice(DELAYS[:-1])), float(draw.choice((1.0, 1.0, 1.0, 0.0)))
            place, of = len(clicked) + 1, position if chosen in items else NONE
            clicked.append(Clicked(place, user, chosen, at, t + delay, weight, shown=of))
    for place in range(len(clicked) + 1, len(clicked) + 31):
        user, chosen = int(draw.integers(1, users + 1)), int(draw.integers(1, articles + 1))
        known_at = shown[int(draw.integers(0, lists))].known_at
        clicked.append(Clicked(place, user, chosen, known_at - float(draw.integers(0, 10**6)), known_at, 1.0, True))
    return World(tuple(shown), tuple(clicked), articles, users, seed)


def in_order(event: Shown | Clicked) -> tuple[float, ...]:
    """Sort key of the log."""
    return event.known_at, event.at, event.position


def log_of(world: World, key: Callable[[Shown | Clicked], tuple[float, ...]] = in_order) -> EventLog:
    """The world as columns, ordered as the database gives them."""
    shown, clicked = sorted(world.shown, key=key), sorted(world.clicked, key=key)
    lists = {s.position: s for s in shown}
    return EventLog(_impressions(shown), _clicks(clicked, [list_of(c, lists) for c in clicked]))


def list_of(click: Clicked, lists: dict[int, Shown]) -> Shown | None:
    """The list of a click, if it was known when the click was: one that arrives later must not reach back."""
    shown = lists.get(click.shown)
    return shown if shown is not None and shown.known_at <= click.known_at else None


def _impressions(shown: Sequence[Shown]) -> ImpressionColumns:
    return ImpressionColumns(
        position=np.array([s.position for s in shown], np.int64),
        user=np.array([s.user for s in shown], np.int64),
        known_at=np.array([s.known_at for s in shown], np.float64),
        offsets=np.cumsum([0] + [len(s.items) for s in shown], dtype=np.int64),
        items=np.array([item for s in shown for item in s.items], np.int64),
        page=np.array([s.page for s in shown], np.int8),
        device=np.array([s.device for s in shown], np.int8),
        subscriber=np.array([s.subscriber for s in shown], np.int8),
        context_article=np.array([s.context for s in shown], np.int64),
    )


def _clicks(clicked: Sequence[Clicked], of: Sequence[Shown | None]) -> ClickColumns:
    return ClickColumns(
        position=np.array([c.position for c in clicked], np.int64),
        user=np.array([c.user for c in clicked], np.int64),
        article=np.array([c.article for c in clicked], np.int64),
        at=np.array([c.at for c in clicked], np.float64),
        known_at=np.array([c.known_at for c in clicked], np.float64),
        weight=np.array([c.weight for c in clicked], np.float64),
        dwell=np.array([c.position % 90 for c in clicked], np.float64),  # which no feature may read
        backfilled=np.array([c.backfilled for c in clicked], np.int8),
        impression=np.array([NONE if s is None else s.position for s in of], np.int64),
        page=np.array([0 if s is None else s.page for s in of], np.int8),
        device=np.array([0 if s is None else s.device for s in of], np.int8),
    )


def stamps_of(log: EventLog) -> Floats:
    """Every instant at which something became known, ascending."""
    stamps: Floats = np.unique(np.concatenate([log.impressions.known_at, log.clicks.known_at]))
    return stamps


def between(log: EventLog, since: float = -np.inf, until: float = np.inf) -> EventLog:
    """The events of an ordered log with ``since <= known_at < until``."""
    i, c = log.impressions, log.clicks
    first, last = np.searchsorted(i.known_at, (since, until))
    rows = slice(*np.searchsorted(c.known_at, (since, until)))
    head = {name: getattr(i, name)[first:last] for name in ("position", "user", "known_at")}
    tail = {name: getattr(i, name)[first:last] for name in ("page", "device", "subscriber", "context_article")}
    offsets = i.offsets[first : last + 1]
    items = i.items[offsets[0] : offsets[-1]]
    impressions = ImpressionColumns(**head, offsets=offsets - offsets[0], items=items, **tail)
    return EventLog(impressions, ClickColumns(**{name: column[rows] for name, column in vars(c).items()}))


def pieces(log: EventLog, cuts: Iterable[float]) -> list[EventLog]:
    """The log cut at these instants, each of which begins a piece."""
    edges = [-np.inf, *sorted(cuts), np.inf]
    return [between(log, since, until) for since, until in pairwise(edges)]


def begun(world: World, **options: float) -> Replay:
    """A replay of the world before anything happened."""
    return Replay(world.attributes, world.users + 1, **options)


def by_list(examples: Iterable[Examples]) -> Bits:
    """All that the examples say but their labels, to the bit."""
    found = {}
    for e in examples:
        for i, position in enumerate(e.position.tolist()):
            rows = slice(e.offsets[i], e.offsets[i + 1])
            parts = (e.keys[rows], e.shown[rows], e.features[rows], e.history[i], e.history_at[i])
            found[position] = tuple(part.tobytes() for part in parts)
    return found


def bits(state: ArticleState) -> dict[str, bytes]:
    """The state to the bit, by array."""
    return {name: array.tobytes() for name, array in state._asdict().items()}
