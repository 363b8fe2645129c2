"""From a log to a model: towers by forward chaining, then the ranking head on their point-in-time scores."""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from recsys.columns import EventLog, Floats, Ints
from recsys.domain import Modality, RecsysError, Timestamp
from recsys.features.features import Attributes
from recsys.features.replay import Replay
from recsys.features.ripe import ripe_until
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.drift import REFERENCE
from recsys.pipeline.load import Dataset
from recsys.pipeline.model import Heads, Model, Views, views_of
from recsys.progress import StageProgress, untold
from recsys.settings import Settings
from recsys.training.carried import TowerStart
from recsys.training.grades import grades_of, has_dwell
from recsys.training.heads import HeadConfig, fit_heads
from recsys.training.lists import Lists
from recsys.training.reference import reference
from recsys.training.replayed import Link, examples_since, replayed
from recsys.training.towers import FitConfig, fit_towers, shown_not_clicked
from recsys.training.warm import (
    WARM_SAMPLED_LISTS,
    Start,
    generation,
    known,
    obstacle,
    shorter_heads,
    shorter_towers,
)

__all__ = ["StageProgress", "TrainingSet", "fit", "head_inputs"]

SLICES = 2  # of the training window, each scored by towers that were fitted on what lies before it
SAMPLED = 100  # live articles added to a list for the pointwise stage
SAMPLED_LISTS = 6000  # about so many lists get them, which bounds time and memory on long logs
NEGATIVES = 4  # shown and not clicked, beside each click
FEWEST_LISTS = 50  # with fewer there is no CTR to learn


@dataclass(frozen=True)
class TrainingSet:
    """All that training sees; the log ends before ``until``."""

    log: EventLog
    attributes: Attributes
    content: Content
    users: int  # more than the largest user key
    indexed: Ints  # article keys to index
    encoders: dict[Modality, str]
    since: Timestamp  # lists from here on are examples; what lies before is folded only
    until: Timestamp
    live_hours: float
    bounce: float  # what a click that was left at once counts beside one that was read
    views: tuple[Content, ...] = ()  # augmented vectors of the articles in the log, for the towers

    @classmethod
    def of(
        cls,
        data: Dataset,
        settings: Settings,
        encoders: dict[Modality, str],
        *,
        since: Timestamp = -np.inf,
        until: Timestamp,
    ) -> "TrainingSet":
        """What was read of a database, of which the log ends before ``until``."""
        return cls(
            log=data.log,
            attributes=data.attributes,
            content=data.content,
            users=data.users,
            indexed=data.catalogue.present,
            encoders=encoders,
            since=since,
            until=until,
            live_hours=settings.live_hours,
            bounce=settings.bounce,
        )


def fit(
    data: TrainingSet,
    *,
    version: str,
    seed: int = 0,
    fusion: str | None = None,
    device: torch.device = torch.device("cpu"),
    towers: FitConfig = FitConfig(),
    heads: HeadConfig = HeadConfig(),
    start: Start | None = None,
    report: StageProgress = untold,
) -> Model:
    """Train one model version; the same seed and log give the same weights on one machine.

    ``fusion`` is a name in ``recsys.model.fusion.FUSIONS``; None: the one in ``towers``. The towers are trained
    on ``device``. With a ``start`` training goes on from a version's weights with what became known after its own
    training; where it cannot, it is from scratch, and the metrics say why.

    Raises:
        RecsysError: when the log holds no click to train on.
    """
    started = time.perf_counter()
    towers = replace(towers, towers=replace(towers.towers, fusion=fusion or towers.towers.fusion))
    begun, why = _usable(start, data, towers)
    if begun is not None:
        towers, heads = shorter_towers(towers), shorter_heads(heads)
    views, lists = head_inputs(data, seed=seed, device=device, towers=towers, start=begun, report=report)
    modalities = views.towers.content_space.present
    fitted = _heads(lists, modalities, heads, seed, None if begun is None else begun.model.heads, report)
    since = data.since if begun is None else begun.model.since
    model = Model(version, views, fitted, data.encoders, since, data.until)
    model.metrics = {
        **_effort(data, lists, time.perf_counter() - started),
        "threshold": None if fitted is None else fitted.threshold,
        REFERENCE: reference(lists, modalities, fitted),
        "start": {
            "version": None if begun is None else begun.model.version,
            "generation": 0 if begun is None else generation(begun.model.metrics) + 1,
            "from_scratch_because": why,
        },
    }
    return model


def _effort(data: TrainingSet, lists: Lists, seconds: float) -> dict[str, Any]:
    """What was learnt from, and how long it took."""
    return {
        "lists": len(lists),
        "seconds": round(seconds, 1),
        "examples_per_second": round(len(lists.rows) / seconds),
        "views": len(data.views),
        "bounce": data.bounce,
        "dwells": int(has_dwell(data.log.clicks, data.until).sum()),
    }


def _usable(start: Start | None, data: TrainingSet, config: FitConfig) -> tuple[Start | None, str | None]:
    """The version to go on from, and why from none."""
    if start is None:
        return None, None
    why = obstacle(
        start.model, encoders=data.encoders, content=data.content, log=data.log, until=data.until, config=config.towers
    )
    return (start, None) if why is None else (None, f"{start.model.version} is no start: {why}")


def head_inputs(
    data: TrainingSet,
    *,
    seed: int = 0,
    device: torch.device = torch.device("cpu"),
    towers: FitConfig = FitConfig(),
    start: Start | None = None,
    report: StageProgress = untold,
) -> tuple[Views, Lists]:
    """What the heads are fitted on, for them and for whatever is to be compared with them.

    Returns the views fitted on the whole log, and the lists of pointwise inputs in the order of time, each scored by
    views that were fitted on what lies before it. With a ``start`` these are its own, and the lists mostly those that
    came after its training.

    Raises:
        RecsysError: when the log holds no click to train on.
    """
    begun = -np.inf if start is None else start.since(data.log.impressions.known_at)
    since = examples_since(data.log, max(data.since, begun))
    ripe = ripe_until(data.log, since, data.until)
    times = data.log.impressions.known_at
    times = times[(times >= since) & (times < ripe)]
    if start is None:
        chain = _chain(data, times, towers, seed, device, report)
    else:
        chain = _going_on(data, times, start, towers, seed, device, report)
    views = chain[-1].views
    if views is None:
        raise RecsysError("There is no click to train on: import a log with clicks, or choose a later --until.")
    every = max(1, len(times) // (SAMPLED_LISTS if start is None else WARM_SAMPLED_LISTS))
    replay = Replay(
        data.attributes, data.users, live_hours=data.live_hours, sampled=SAMPLED, sample_every=every, seed=seed
    )
    modalities = views.towers.content_space.present
    grades = grades_of(data.log.clicks, data.until, data.bounce)
    return views, replayed(replay, data.log, (since, ripe), chain, modalities, report, grades)


def _chain(
    data: TrainingSet, lists: Floats, config: FitConfig, seed: int, device: torch.device, report: StageProgress
) -> list[Link]:
    """Views for each slice of the ``lists`` (times), of what was known before it; the last ones see the whole log."""
    starts = [len(lists) * part // SLICES for part in range(SLICES)] if len(lists) else []
    times = [float(lists[start]) for start in starts] + [data.until]
    space = ContentSpace.fit(data.content, _published(data))
    links = []
    for number, (start, until) in enumerate(zip([*starts, len(lists)], times, strict=True)):
        report("towers", number, len(times))
        read = until == data.until or bool(space.present)  # without content the heads read nothing of towers
        links.append(Link(start, _views(data, space, until, config, seed, device) if read else None))
    report("towers", len(times), len(times))
    return links


def _published(data: TrainingSet) -> Ints | None:
    """Keys of the articles that were published by the end of the training, or at no known time; None: all of them."""
    later = data.attributes.published_at >= data.until
    return np.flatnonzero(~later) if later.any() else None


def _going_on(
    data: TrainingSet,
    lists: Floats,
    start: Start,
    config: FitConfig,
    seed: int,
    device: torch.device,
    report: StageProgress,
) -> list[Link]:
    """Views of earlier versions, which know nothing of the ``lists`` (times), and those that go on from the last."""
    towers = start.model.views.towers
    report("towers", 0, 1)
    views = _views(data, towers.content_space, data.until, config, seed, device, TowerStart(towers, known(start.model)))
    report("towers", 1, 1)
    return [Link(first, some) for first, some in start.chain(lists)] + [Link(len(lists), views)]


def _views(
    data: TrainingSet,
    space: ContentSpace,
    until: Timestamp,
    config: FitConfig,
    seed: int,
    device: torch.device,
    start: TowerStart | None = None,
) -> Views | None:
    log = _known_before(data.log, until)  # all of it: a later click in an old list makes another negative of that list
    if not (log.clicks.weight > 0).any():
        return None
    negatives = shown_not_clicked(log, NEGATIVES, seed)
    towers = fit_towers(
        data.content, log.clicks, until=until, negatives=negatives, grades=grades_of(log.clicks, until, data.bounce),
        views=data.views, space=space, start=start, config=config, seed=seed, device=device.type,
    )  # fmt: skip
    return views_of(towers, data.content, data.indexed)


def _known_before(log: EventLog, until: Timestamp) -> EventLog:
    """The log without the clicks that became known at ``until`` or later."""
    return EventLog(log.impressions, log.clicks.take(log.clicks.known_at < until))


def _heads(
    lists: Lists, modalities: tuple[str, ...], config: HeadConfig, seed: int, start: Heads | None, report: StageProgress
) -> Heads | None:
    if len(lists) < FEWEST_LISTS or not lists.labels.any():
        return start
    return fit_heads(
        lists,
        modalities,
        config=config,
        seed=seed,
        start=start,
        progress=lambda done, total: report("heads", done, total),
    )
