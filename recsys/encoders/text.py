"""Texts of an article -> sentence vectors: one class for each field that is a modality."""

import hashlib
from collections import defaultdict

import numpy as np

from recsys.domain import Article, Modality
from recsys.encoders.contract import BoolArray, FloatArray, Status
from recsys.encoders.source import text_steps
from recsys.encoders.text_model import MAX_TOKENS, TextModel
from recsys.encoders.views import chance_of
from recsys.encoders.words import unknown_share

TEXTS_PER_LANGUAGE = 2000  # enough to measure a share of words, and quick
CHARACTERS_PER_TOKEN = 20  # more than any language needs: what lies behind need not be split into tokens


class TextEncoder:
    """One field of an article -> the mean of the model's last layer over its tokens, L2-normalised.

    A subclass names the field, which is the modality, and how many windows of at most 256 tokens are read. Fields that
    are read alike have the same encoder id, so that equal texts share a vector.
    """

    modality: Modality
    windows = 1

    def __init__(self, model: TextModel | None = None) -> None:
        """``model`` may be shared between encoders; without one it is the packaged model."""
        self._model = model or TextModel()
        self.encoder_id = self._model.encoder_id(text_steps(self.windows))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._model.dim

    def content_hash(self, article: Article) -> str | None:
        """sha256 of the text in UTF-8, without the space around it and what is too far behind; None without a text."""
        text = self.text(article)
        return None if text is None else hashlib.sha256(text.encode()).hexdigest()

    def status(self, article: Article) -> Status:
        """Whether there is a text; a text is never broken."""
        return "missing" if self.text(article) is None else "ok"

    def encode(self, articles: list[Article], view: int = 0) -> tuple[FloatArray, BoolArray]:
        """Unit vectors (n, dim) of the texts and a mask (n,); rows without a text are zeros.

        A ``view`` from 1 on is the text without some of its tokens, other ones in each view.
        """
        texts = [self.text(article) for article in articles]
        mask = np.array([text is not None for text in texts], dtype=np.bool_)
        vectors = np.zeros((len(articles), self.dim), np.float32)
        if mask.any():
            chances = [
                chance_of(self.content_hash(a) or "", view) for a, there in zip(articles, mask, strict=True) if there
            ]
            known = [text for text in texts if text is not None]
            vectors[mask] = self._model.vectors(known, self.windows, chances if view else None)
        return vectors, mask

    def text(self, article: Article) -> str | None:
        """The text to encode; None when it has no character that can be seen."""
        text = (getattr(article, self.modality) or "").strip()[: self.windows * MAX_TOKENS * CHARACTERS_PER_TOKEN]
        if not any(character.isprintable() and not character.isspace() for character in text):
            return None
        return text.encode("utf-8", "replace").decode()  # half a surrogate pair, as broken JSON brings, has no UTF-8

    def unknown_share(self, articles: list[Article]) -> dict[str, float]:
        """Share of a text's tokens that the model does not know, by language ("unknown" where an article has none).

        Counted on the first 2,000 texts of each language. See ``words.unknown_share``: words in scraps count too
        under the packaged model, which is English; who named another model chose its languages.
        """
        texts: dict[str, list[str]] = defaultdict(list)
        for article in articles:
            text = self.text(article)
            if text is not None and len(texts[article.language or "unknown"]) < TEXTS_PER_LANGUAGE:
                texts[article.language or "unknown"].append(text)
        unknown, english = self._model.unknown_token, self._model.source.kind == "packaged"
        shares = {name: unknown_share(some, self._model.bare_tokens, unknown, english) for name, some in texts.items()}
        return {name: share for name, share in shares.items() if share is not None}


class TitleEncoder(TextEncoder):
    """The title."""

    modality = "title"


class SummaryEncoder(TextEncoder):
    """The summary, read like a title."""

    modality = "summary"


class BodyEncoder(TextEncoder):
    """The first 1,024 tokens of the body, some 750 words: news tell first what matters, and most end before that."""

    modality, windows = "body", 4
