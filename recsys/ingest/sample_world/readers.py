"""What the readers of the synthetic sample are shown, and what they click."""

from dataclasses import dataclass, replace

import numpy as np

from recsys.columns import Floats, Ints
from recsys.domain import Click, Context, Impression, Timestamp
from recsys.ingest.sample_world.world import DAY, EVENING, HOUR, MORNING, START, Effects, World, effects

LIVE_HOURS = 72.0  # an article is shown this long after its publication
SHOWN = {"mobile": (5, 13), "tablet": (6, 15), "desktop": (8, 16)}  # fewest, and one more than the most
POSITION = 0.12  # the k-th place (from 0) is looked at with probability 1 / (1 + POSITION * k)
LEAVE = 3.1  # utility of clicking nothing
SECOND_CLICK = 0.15  # probability that the runner-up, if it beats leaving, is opened too
READ_ON = 0.5  # probability that a reader who opened an article looks at the list below it
PAGE_SECONDS = 10.0  # nobody begins a list in the last seconds of the world


@dataclass(frozen=True)
class Log:
    """Impressions and clicks of all readers, each ordered by time and numbered in that order."""

    impressions: tuple[Impression, ...]
    clicks: tuple[Click, ...]


@dataclass(frozen=True)
class _Look:
    """One list that a reader looked at, and the clicks in it: (article row, at, dwell seconds)."""

    reader: int
    at: Timestamp
    rows: Ints
    context: Context
    clicks: list[tuple[int, Timestamp, float | None]]


def simulate(world: World) -> Log:
    """Let all readers of the world come and go; the same world gives the same log."""
    looks = [look for reader in range(len(world.readers)) for look in _life(world, reader)]
    looks.sort(key=lambda look: (look.at, look.reader))
    impressions = tuple(_impression(world, number, look) for number, look in enumerate(looks, start=1))
    clicks = [
        Click("", shown.user_id, world.articles[row].article_id, at, shown.impression_id, at, dwell)
        for shown, look in zip(impressions, looks, strict=True)
        for row, at, dwell in look.clicks
    ]
    clicks.sort(key=lambda click: (click.at, click.impression_id, click.article_id))
    return Log(impressions, tuple(replace(click, event_id=f"c{n:06d}") for n, click in enumerate(clicks, start=1)))


def reader_id(reader: int) -> str:
    """The id under which a reader (by row) stands in the log."""
    return f"r{reader + 1:04d}"


def _impression(world: World, number: int, look: _Look) -> Impression:
    items = tuple(world.articles[row].article_id for row in look.rows.tolist())
    return Impression(f"i{number:06d}", reader_id(look.reader), look.at, items, look.context, look.at)


def _life(world: World, reader: int) -> list[_Look]:
    """All lists of one reader, whose draws depend on nobody else."""
    rng = np.random.default_rng([world.seed, 2, reader])
    looks: list[_Look] = []
    opened: set[int] = set()  # asked for membership alone
    for start in _visit_times(world, reader, rng).tolist():
        at: Timestamp | None = max(start, looks[-1].at + 60) if looks else start
        reading: int | None = None
        while at is not None and at < world.end - PAGE_SECONDS:
            look = _look(world, reader, at, reading, opened, rng)
            if look is None:
                break
            looks.append(look)
            opened.update(row for row, _, _ in look.clicks)
            reading, at = _next_page(look, rng)
    return looks


def _visit_times(world: World, reader: int, rng: np.random.Generator) -> Floats:
    count = int(world.readers.visits[reader])
    hours = np.array(EVENING if world.readers.evening[reader] else MORNING, np.float64)
    days = rng.integers(world.days, size=count)
    seconds = rng.choice(24, count, p=hours / hours.sum()) * HOUR + rng.integers(3600, size=count)
    times: Floats = START + days * DAY + seconds
    return np.sort(times)


def _next_page(look: _Look, rng: np.random.Generator) -> tuple[int | None, Timestamp | None]:
    """The article whose page is looked at next, and when; None when the visit is over."""
    if not look.clicks or rng.random() > READ_ON:
        return None, None
    row, at, dwell = look.clicks[-1]
    return row, at + np.ceil(min(dwell or 30.0, 240.0))


def _look(
    world: World, reader: int, at: Timestamp, reading: int | None, opened: set[int], rng: np.random.Generator
) -> _Look | None:
    device = world.readers.device[reader] if rng.random() < 0.85 else "mobile"
    rows = _editors_list(world, at, reading, opened, int(rng.integers(*SHOWN[device])), rng)
    if not len(rows):
        return None
    context = Context(
        page="front" if reading is None else "article",
        context_article=None if reading is None else world.articles[reading].article_id,
        device=device,
        subscriber=bool(world.readers.subscriber[reader]),
        placement=None if reading is None else str(rng.choice(["below", "sidebar"])),
    )
    planted = effects(world, reader, at, rows)
    clicks = [(int(rows[k]), *_timing(planted, k, at, rng)) for k in _choose(planted.utility, rng)]
    return _Look(reader, at, rows, context, sorted(clicks, key=lambda click: click[1]))


def _editors_list(
    world: World, at: Timestamp, reading: int | None, opened: set[int], size: int, rng: np.random.Generator
) -> Ints:
    """What an imagined front page, or the list below an article, shows: popular, fresh, related and random articles.

    Articles that the reader has opened are left out, as is what is not published yet.
    """
    first, last = np.searchsorted(world.published, (at - LIVE_HOURS * HOUR, at))
    live = np.array([row for row in range(first, last) if row not in opened], np.int64)
    hot = world.hotness(at, live)
    ages = (at - world.published[live]) / HOUR
    if reading is None:
        pull = [(1.5 * hot, 0.35), (-ages / 10, 0.35), (np.zeros(len(live)), 0.3)]
    else:
        section = world.articles[reading].section
        same = np.array([world.articles[row].section == section for row in live.tolist()], np.float64)
        pull = [(30 * same - ages / 30, 0.5), (1.5 * hot, 0.25), (np.zeros(len(live)), 0.25)]
    chosen = _mixed(pull, min(size, len(live)), rng)
    order = np.argsort(-(0.4 * hot[chosen] + rng.gumbel(size=len(chosen))), kind="stable")
    return live[chosen][order]


def _mixed(pull: list[tuple[Floats, float]], size: int, rng: np.random.Generator) -> Ints:
    """``size`` places: of each pull its share, drawn without replacement in proportion to exp(pull) (Gumbel top-k)."""
    chosen: list[int] = []
    for number, (weight, share) in enumerate(pull):
        wanted = size - len(chosen) if number == len(pull) - 1 else round(share * size)
        keys = weight + rng.gumbel(size=len(weight))
        keys[chosen] = -np.inf
        chosen += np.argsort(-keys, kind="stable")[: min(wanted, size - len(chosen))].tolist()
    return np.array(chosen, np.int64)


def _choose(utility: Floats, rng: np.random.Generator) -> list[int]:
    """The places that are clicked: the best of what is looked at, if it beats leaving; rarely the runner-up too.

    With Gumbel noise that is a multinomial logit among the examined (McFadden 1974); what is examined falls with the
    place (the position-based model, Craswell et al. 2008).
    """
    examined = rng.random(len(utility)) < 1 / (1 + POSITION * np.arange(len(utility)))
    noisy = np.where(examined, utility + rng.gumbel(size=len(utility)), -np.inf)
    leaving = LEAVE + rng.gumbel()
    best = [int(k) for k in np.argsort(-noisy, kind="stable")[:2] if noisy[k] > leaving]
    return best if rng.random() < SECOND_CLICK else best[:1]


def _timing(planted: Effects, place: int, at: Timestamp, rng: np.random.Generator) -> tuple[Timestamp, float | None]:
    """When the click comes, some seconds to minutes after the list; and how long is read, None when not measured."""
    click_at = at + float(np.ceil(min(3 + rng.lognormal(np.log(14), 0.9), 400)))
    liking = planted.title[place] + planted.picture[place]
    dwell = round(float(min(np.exp(3.4 + 0.3 * liking + rng.normal(0, 0.6)), 1800)), 1)
    return click_at, (None if rng.random() < 0.05 else dwell)
