"""What an ablation does to titles, images and behaviour: leaves some out, drops images, deals them out anew.

Behaviour is what the towers know of an article by its clicks: its id embedding and how many clicks it had.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from recsys.columns import NONE, Ints
from recsys.model.fusion import BEHAVIOUR, FUSIONS
from recsys.model.two_towers import TowerConfig
from recsys.pipeline.content import Content
from recsys.pipeline.towers import Blend, Towers
from recsys.training.towers import FitConfig

TITLE, IMAGE = "title", "image"
ALL = (TITLE, IMAGE, BEHAVIOUR)
DROPPED = (0.0, 0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Condition:
    """One training of the ablation, and the shares of images that its towers then have to serve without."""

    name: str
    group: str
    parts: tuple[str, ...] = ALL
    fusion: str = "gated"
    shuffled: bool = False  # images dealt out anew among the articles before training
    summed: bool = False  # a model for each part, their scores summed with weights from a development split
    dropped: tuple[float, ...] = (0.0,)

    @property
    def names(self) -> list[str]:
        """Of its rows, one for each share."""
        return [f"{self.name}, {share:.0%} of images dropped" if share else self.name for share in self.dropped]


REFERENCE = Condition("all, gated", "fusions", dropped=DROPPED)
CONDITIONS = (
    REFERENCE,
    *(Condition(f"all, {name}", "fusions", fusion=name, dropped=DROPPED) for name in FUSIONS if name != "gated"),
    Condition("all, late with fixed weights", "fusions", summed=True, dropped=DROPPED),
    Condition("title", "modalities", (TITLE,)),
    Condition("image", "modalities", (IMAGE,)),
    Condition("behaviour", "modalities", (BEHAVIOUR,)),
    Condition("title + image", "modalities", (TITLE, IMAGE)),
    Condition("title + behaviour", "modalities", (TITLE, BEHAVIOUR)),
    Condition("image + behaviour", "modalities", (IMAGE, BEHAVIOUR)),
    Condition("all, images shuffled among articles", "control", shuffled=True),
)


def seen_by(content: Content, condition: Condition) -> Content:
    """What training sees of the content."""
    if condition.shuffled:
        content = permuted(content, IMAGE)
    for name in content.vectors.keys() - set(condition.parts):
        content = without(content, name)
    return content


def permuted(content: Content, name: str) -> Content:
    """The control: the vectors of one modality dealt out anew among the articles that have it."""
    rows = np.flatnonzero(content.mask[name])
    vectors = content.vectors[name].copy()
    vectors[rows] = vectors[np.random.default_rng(0).permutation(rows)]
    return replace(content, vectors={**content.vectors, name: vectors})


def without(content: Content, name: str, share: float = 1.0) -> Content:
    """The same without one modality of such a share of the articles that have it; a larger share holds a smaller."""
    rows = np.random.default_rng(0).permutation(np.flatnonzero(content.mask[name]))
    rows = rows[: round(share * len(rows))]
    vectors, mask = content.vectors[name].copy(), content.mask[name].copy()
    vectors[rows], mask[rows] = 0, False
    return Content({**content.vectors, name: vectors}, {**content.mask, name: mask}, content.keys)


def config_of(condition: Condition) -> FitConfig:
    """How its towers are fitted."""
    config = TowerConfig(fusion=condition.fusion)
    return FitConfig(config if BEHAVIOUR in condition.parts else replace(config, id_dropout=1.0))


def forgetful(towers: Towers, condition: Condition, *, cold: bool = False) -> Towers:
    """The fitted towers, made to forget the clicks where the condition does without behaviour.

    All articles are new to them then. What corrects the scores of articles that training never met is left to tests in
    which all articles are such (``cold``).
    """
    if BEHAVIOUR in condition.parts:
        return towers
    told = towers.rekeyed(np.full_like(towers.id_keys, NONE))
    return told if cold else _AllMet(**vars(told))


class _AllMet(Towers):
    """Towers that know no clicks, and add up the scores of any article as they did in training."""

    def blend(self, keys: Ints) -> Blend:
        curves = self.model.blend.train()
        with torch.inference_mode():
            scale, content, offset = curves(torch.zeros(len(keys)))
        curves.eval()
        return Blend(scale.numpy(), content.numpy(), offset.numpy())
