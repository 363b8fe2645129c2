"""The features once more, slowly: each from its definition and from the events known strictly before."""

import math
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from fold_worlds import Clicked, Shown, World, in_order, list_of

from recsys.columns import NONE

HALF_LIVES = {"30m": 0.5, "2h": 2.0, "8h": 8.0, "24h": 24.0, "72h": 72.0}  # hours
Row = dict[str, float]


class Reference:
    """What is known of a world strictly before one list of it."""

    def __init__(self, world: World, target: Shown):
        self.world, self.target, self.t = world, target, target.known_at
        self.shown = _before(world.shown, self.t)
        self.clicked = _before(world.clicked, self.t)
        self.lists = {s.position: s for s in world.shown}
        self.my_clicks = clicks_of(self.clicked, target.user)
        self.my_likes = [c for c in self.my_clicks if c.weight > 0]
        self.my_rows = [(a, s.known_at) for s in self.shown if s.user == target.user for a in s.items][-256:]

    def liked(self) -> list[int]:
        """The articles that the user clicked on and liked, oldest first."""
        return [c.article for c in self.my_likes]

    def readers(self, article: int) -> list[int]:
        """The newest readers of an article, the user included."""
        return [c.user for c in self.clicked if c.article == article and c.weight > 0][-128:]

    def section(self, article: int) -> int:
        return int(self.world.attributes.section[article]) if article != NONE else NONE


def counters(known: Reference, article: int) -> Row:
    row: Row = {}
    for where, cell in (("", None), ("here_", cell_of(known.target.page, known.target.device))):
        for name, hours in HALF_LIVES.items():
            clicks, exposures, chances = _decayed(known, article, cell, hours)
            all_clicks, all_exposures, _ = _decayed(known, None, cell, hours)
            general = (all_clicks + 0.1) / (all_exposures + 1)
            row[f"clicks_{where}{name}"] = math.log1p(clicks)
            row[f"exposures_{where}{name}"] = math.log1p(exposures)
            row[f"ctr_{where}{name}"] = math.log((clicks + 10 * general) / (exposures + 10))
            row[f"lift_{where}{name}"] = math.log((clicks + 1) / (chances + 1))
            if not where:
                row[f"share_of_clicks_{name}"] = math.log((clicks + 0.1) / (all_clicks + 10))
    return row


def ages(known: Reference, article: int) -> Row:
    times = [s.known_at for s in known.shown if article in s.items]
    published = known.world.attributes.published_at[article]
    return {
        "since_first_shown": _minutes(known.t - min(times, default=known.t)),
        "since_last_shown": _minutes(known.t - max(times, default=-math.inf)),
        "since_published": _minutes(math.inf if math.isnan(published) else known.t - published),
    }


def seen(known: Reference, article: int) -> Row:
    shown = [t for a, t in known.my_rows if a == article]
    clicked = [c.at for c in known.my_clicks if c.article == article]
    return {
        "times_shown_to_user": math.log1p(len(shown)),
        "since_shown_to_user": _minutes(known.t - shown[-1] if shown else math.inf),
        "times_clicked_by_user": math.log1p(len(clicked)),
        "since_clicked_by_user": _minutes(known.t - clicked[-1] if clicked else math.inf),
    }


def co_click(known: Reference, article: int) -> Row:
    sources = {
        "co_click_last": known.liked()[-1:],
        "co_click_recent": known.liked()[-5:],
        "co_click_history": known.liked(),
        "co_click_context": [known.target.context] if known.target.context != NONE else [],
    }
    return {name: _together(known, articles, article) for name, articles in sources.items()}


def ratings(known: Reference, article: int) -> Row:
    """By walking through everything known: each list takes its expected click from its items, each click gives one."""
    events = sorted([*known.shown, *known.clicked], key=lambda e: (e.known_at, isinstance(e, Clicked), in_order(e)))
    row: Row = {}
    for name, rate in {"rating_slow": 0.2, "rating_medium": 0.8, "rating_fast": 3.0}.items():
        rating: Counter[int] = Counter()
        clicks = lists = 0.0  # of about a day
        last = events[0].known_at if events else 0.0
        for event in events:
            clicks, lists = (value * _weight(event.known_at - last, 24) for value in (clicks, lists))
            last = event.known_at
            if isinstance(event, Clicked):
                if event.weight > 0 and not event.backfilled:
                    rating[event.article] += rate
                    clicks += 1
                continue
            chances = [math.exp(rating[item]) for item in event.items]
            expected = (clicks + 1) / (lists + 1)
            for item, chance in zip(event.items, chances, strict=True):
                rating[item] -= rate * expected * chance / sum(chances)
            lists += bool(event.items)
        row[name] = rating[article]
    return row


def likeness(known: Reference, article: int) -> Row:
    row: Row = {}
    clicks = [c for c in known.clicked if c.article == article and c.weight > 0][-128:]
    for hours in (2, 8, 24):
        weights = [_weight(max(0.0, known.t - math.floor(c.at)), hours) for c in clicks]  # whole seconds are kept
        likes = sum(w * _likeness_to_user(known, c.user) for w, c in zip(weights, clicks, strict=True))
        row[f"readers_like_user_{hours}h"] = math.log1p(10 * likes)
        row[f"likeness_of_readers_{hours}h"] = 10 * likes / (sum(weights) + 1)
    return row


def title_taste(known: Reference, article: int) -> Row:
    readers = np.zeros(64)
    for click in known.clicked:
        if click.article == article and click.weight > 0:
            readers += _taste(known.world, clicks_of(_before(known.world.clicked, click.known_at), click.user))
    norm = float(np.linalg.norm(readers))
    taste = _taste(known.world, known.my_clicks)
    return {"title_taste": float(readers @ taste) / norm if norm > 0 else 0.0}


def catalogue(known: Reference, article: int) -> Row:
    attributes, mine = known.world.attributes, known.liked()
    section = known.section(article)
    sections = Counter(known.section(a) for a in mine if known.section(a) != NONE)
    premiums = [attributes.premium[a] for a in mine if not math.isnan(attributes.premium[a])]
    lengths = [math.log1p(attributes.length[a]) for a in mine if not math.isnan(attributes.length[a])]
    premium = 0.0 if math.isnan(attributes.premium[article]) else 2 * attributes.premium[article] - 1
    length = math.log1p(attributes.length[article])
    mean = sum(lengths) / len(lengths) if lengths else 0.0
    return {
        "section_share_of_user": sections[section] / (sections.total() + 2),
        "section_of_last_click": float(section != NONE and mine != [] and known.section(mine[-1]) == section),
        "section_of_context": float(section != NONE and known.section(known.target.context) == section),
        "premium": premium,
        "premium_for_subscriber": premium * known.target.subscriber,
        "premium_share_of_user": premium * ((1 + sum(premiums)) / (2 + len(premiums)) - 0.5),
        "length": 0.0 if math.isnan(length) else length - 7,
        "length_from_users_mean": 0.0 if math.isnan(length) or mean == 0 else abs(length - mean),
    }


def request(known: Reference, article: int) -> Row:
    target, t, times = known.target, known.t, [at for _, at in known.my_rows]
    day = 2 * math.pi * (t % 86400) / 86400
    return {
        "user_clicks": math.log1p(len(known.my_likes)),
        "user_rows": math.log1p(len(times)),
        "since_user_click": _minutes(t - known.my_likes[-1].at if known.my_likes else math.inf),
        "since_user_shown": _minutes(t - times[-1] if times else math.inf),
        "user_rows_last_day": math.log1p(sum(at > t - 86400 for at in times)),
        "front_page": float(target.page == 1),
        "article_page": float(target.page == 2),
        "desktop": float(target.device == 1),
        "mobile": float(target.device == 2),
        "tablet": float(target.device == 3),
        "subscriber": float(target.subscriber),
        "hour_sin": math.sin(day),
        "hour_cos": math.cos(day),
        "clicks_overall": math.log1p(_decayed(known, None, None, 2.0)[0]),
    }


GROUPS: dict[str, Callable[[Reference, int], Row]] = {
    "counters": counters,
    "ages": ages,
    "seen": seen,
    "co_click": co_click,
    "likeness": likeness,
    "ratings": ratings,
    "title_taste": title_taste,
    "catalogue": catalogue,
    "request": request,
}


def cell_of(page: int, device: int) -> tuple[bool, str]:
    """Which lists count as shown in the same place: article pages or not, by desktop, mobile and the rest."""
    return page == 2, {1: "desktop", 2: "mobile"}.get(device, "rest")


def clicks_of(clicked: Iterable[Clicked], user: int) -> list[Clicked]:
    """The user's clicks that count, oldest first."""
    return [c for c in clicked if c.user == user][-100:]


def _before(events: Iterable[Shown | Clicked], t: float) -> list:
    return sorted((e for e in events if e.known_at < t), key=in_order)


def _decayed(known: Reference, article: int | None, cell: tuple[bool, str] | None, hours: float) -> list[float]:
    """Clicks, exposures and chances of one article (of all, if None) in one cell (everywhere, if None)."""
    clicks = exposures = chances = 0.0
    for s in known.shown:
        if (article is None or article in s.items) and cell in (None, cell_of(s.page, s.device)):
            rows = len(s.items) if article is None else 1
            exposures += rows * _weight(known.t - s.known_at, hours)
            chances += rows / len(s.items) * _weight(known.t - s.known_at, hours)
    for c in known.clicked:
        of = list_of(c, known.lists)
        here = cell_of(of.page, of.device) if of else cell_of(0, 0)
        if c.weight > 0 and not c.backfilled and article in (None, c.article) and cell in (None, here):
            clicks += _weight(known.t - c.known_at, hours)
    return [clicks, exposures, chances]


def _weight(seconds: float, hours: float) -> float:
    return 0.5 ** (seconds / 3600 / hours)


def _minutes(seconds: float) -> float:
    return math.log1p(min(max(seconds, 0.0) / 60, 60 * 24 * 60))


def _likeness_to_user(known: Reference, reader: int) -> float:
    """How often a reader is among those of the articles that the user liked, each over the root of how many."""
    if reader == known.target.user:
        return 0.0
    readers = [known.readers(article) for article in known.liked()]
    return sum(them.count(reader) / math.sqrt(len(them) + 4) for them in readers)


def _together(known: Reference, articles: Iterable[int], candidate: int) -> float:
    """Common readers of the candidate and of each of the articles, each pair over the geometric mean of how many."""
    total, theirs = 0.0, known.readers(candidate)
    for article in articles:
        marked = Counter(reader for reader in known.readers(article) if reader != known.target.user)
        common = sum(marked[reader] for reader in theirs)
        total += common / math.sqrt((len(known.readers(article)) + 4) * (len(theirs) + 4))
    return math.log1p(10 * total)


def _taste(world: World, clicked: Iterable[Clicked]) -> np.ndarray:
    total = np.zeros(64)
    for click in clicked:
        if click.weight > 0:
            total += world.attributes.signatures[click.article]
    norm = np.linalg.norm(total)
    return total / norm if norm > 0 else total
