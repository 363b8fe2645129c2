"""Augmented views of articles: the same pictures cropped and flipped, the same texts with some words left out."""

from typing import Protocol

import numpy as np

from recsys.domain import Article, Modality
from recsys.encoders.contract import BoolArray, Encoder, FloatArray, Status


class Viewed(Encoder, Protocol):
    """An encoder that can also look at articles in other ways."""

    def encode(self, articles: list[Article], view: int = 0) -> tuple[FloatArray, BoolArray]:
        """As ``Encoder.encode``; each ``view`` from 1 on alters the content in a way of its own, always the same."""


class ViewEncoder:
    """One view, as an encoder: what it makes is cached beside the plain vectors, under an id of its own."""

    def __init__(self, encoder: Viewed, view: int) -> None:
        """``view`` counts from 1; the model in memory is the encoder's own."""
        self._encoder, self.view = encoder, view
        self.modality: Modality = encoder.modality
        self.encoder_id = view_id(encoder.encoder_id, view)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._encoder.dim

    def content_hash(self, article: Article) -> str | None:
        """That of the content itself."""
        return self._encoder.content_hash(article)

    def status(self, article: Article) -> Status:
        """That of the content itself."""
        return self._encoder.status(article)

    def encode(self, articles: list[Article]) -> tuple[FloatArray, BoolArray]:
        """Vectors (n, dim) of this view and a mask (n,)."""
        return self._encoder.encode(articles, self.view)


def view_id(encoder_id: str, view: int) -> str:
    """The encoder id of a view."""
    return f"{encoder_id}#view{view}"


def chance_of(content_hash: str, view: int) -> np.random.Generator:
    """What decides how a view alters this content: the same whenever and wherever it is encoded."""
    return np.random.default_rng([view, int(content_hash or "0", 16)])
