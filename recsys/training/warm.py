"""Warm starts: which training can go on from an earlier version, and how much shorter it then is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recsys.columns import EventLog, Floats
from recsys.domain import Modality, Timestamp
from recsys.model.two_towers import TowerConfig
from recsys.pipeline.content import Content
from recsys.pipeline.model import Model, Views
from recsys.training.heads import HeadConfig
from recsys.training.towers import FitConfig

FEWEST_LISTS = 50  # shown since; fewer teach nothing
GENERATIONS = 14  # then from scratch: the content space and the scales of the inputs are those of the first
WARM_SAMPLED_LISTS = 1500  # about so many lists get live articles added, for the pointwise stage
GENTLER = 0.5  # of the heads' learning rate, which keeps more of what was learnt before
GENTLER_TOWERS = 0.2  # of theirs: Adam's first steps are as long for an id of few clicks as for one of many
EPOCHS = 2
REHEARSED = 1  # older lists for each new one, as far as there are honest inputs for them
STEPS = 16  # of the towers, at least


def shorter_towers(config: FitConfig) -> FitConfig:
    """A training of towers that goes on from others."""
    return replace(config, epochs=min(config.epochs, EPOCHS), min_steps=STEPS, rate=config.rate * GENTLER_TOWERS)


def shorter_heads(config: HeadConfig) -> HeadConfig:
    """The same of the heads."""
    return replace(config, epochs=min(config.epochs, EPOCHS), rate=config.rate * GENTLER)


@dataclass(frozen=True)
class Start:
    """A version to go on from, with today's articles in its indexes, and the version that it went on from itself."""

    model: Model
    before: Model | None = None

    def chain(self, lists: Floats) -> list[tuple[int, Views]]:
        """By which views lists (times, n, all from ``since`` on) are scored: from which list on, oldest first."""
        scored = [(0, (self.before or self.model).views)]
        if self.before is not None:
            scored.append((int(np.searchsorted(lists, known(self.model))), self.model.views))
        return scored

    def since(self, lists: Floats) -> Timestamp:
        """From when on lists (times, n) are examples: those new to the version, and some older ones for rehearsal.

        Only older ones that can be scored by towers which knew nothing of them: those of the version before. Where no
        article has content, heads read nothing of towers, and all will do.
        """
        new = int(np.searchsorted(lists, known(self.model)))
        wanted = lists[max(0, new - REHEARSED * (len(lists) - new))]
        if not self.model.views.towers.content_space.present:
            return float(wanted)
        return max(float(wanted), known(self.before or self.model))


def known(model: Model) -> Timestamp:
    """Up to when a version knows the log."""
    return np.inf if model.until is None else model.until


def obstacle(
    start: Model,
    *,
    encoders: Mapping[Modality, str],
    content: Content,
    log: EventLog,
    until: Timestamp,
    config: TowerConfig,
) -> str | None:
    """Why a training on a log ``until`` a time cannot go on from a version; None where it can."""
    space = start.views.towers.content_space
    new = sorted(name for name, mask in content.mask.items() if mask.any() and name not in space.present)
    if start.heads is None or start.until is None:
        return "it has no ranking head"
    if start.encoders != dict(encoders):
        return "it was made with other encoders"
    if start.views.towers.config != config:
        return "its towers have another fusion or shape"
    if new:
        return f"no article had any {' or '.join(new)} when it was trained"
    if generation(start.metrics) >= GENERATIONS:
        return f"{GENERATIONS} trainings have gone on from one another"
    lists = log.impressions.known_at
    if (count := int(((lists >= start.until) & (lists < until)).sum())) < FEWEST_LISTS:
        return f"{count} lists were shown since its training, {FEWEST_LISTS} are needed"
    return None


def generation(metrics: Mapping[str, Any]) -> int:
    """How many trainings have gone on from one another up to the version of these metrics; 0 from scratch."""
    return int((metrics.get("start") or {}).get("generation", 0))
