"""What a loaded model is: everything that one answer needs besides the state of the world."""

from dataclasses import dataclass, field
from typing import Any

from recsys.columns import Ints
from recsys.domain import Modality, Timestamp
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.pipeline.content import Content
from recsys.pipeline.towers import Towers
from recsys.retrieval.index import VectorIndex


@dataclass
class Views:
    """The two indexed views of the catalogue that one pair of towers gives."""

    towers: Towers
    learned: VectorIndex
    content: VectorIndex

    def put(self, content: Content, keys: Ints) -> None:
        """Index the articles ``keys`` (n,) of ``content``, or replace them."""
        self.learned.put(keys, self.towers.item_vectors(content, keys)[0])
        self.content.put(keys, self.towers.content_vectors(content, keys))


@dataclass
class Heads:
    """The ranking head: one stage orders the candidates, the other says how likely the chosen list is clicked."""

    pointwise: PointwiseHead
    listwise: ListwiseHead
    threshold: float | None = None  # P(click) from which F1 was best on the lists that calibrated it


@dataclass
class Model:
    """One trained version; ``heads`` is None for a log without impressions, which gives no CTR to learn."""

    version: str
    views: Views
    heads: Heads | None
    encoders: dict[Modality, str]  # encoder id by modality
    since: Timestamp | None = None  # of the training window
    until: Timestamp | None = None
    metrics: dict[str, Any] = field(default_factory=dict)


def views_of(towers: Towers, content: Content, keys: Ints) -> Views:
    """Index the articles ``keys`` (n,) with these towers."""
    views = Views(towers, VectorIndex(towers.config.dim), VectorIndex(towers.content_space.dim))
    views.put(content, keys)
    return views
