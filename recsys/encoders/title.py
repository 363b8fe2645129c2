"""Titles -> sentence vectors by any Hugging Face text model: mean-pooled, of unit length."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor

from recsys.domain import Article
from recsys.encoders.contract import BoolArray, FloatArray, Status
from recsys.encoders.device import DTYPE_NAMES, choose_device, choose_dtype
from recsys.encoders.source import TITLE_PACKAGE, TITLE_STEPS, Source, not_loaded, title_source
from recsys.encoders.words import unknown_share
from recsys.settings import PACKAGED_TITLE_ENCODER

MAX_TOKENS = 256
TITLES_PER_LANGUAGE = 2000  # enough to measure a share of words, and quick
_PACKAGED_DIM = 384


class TitleEncoder:
    """The title alone -> the mean of the model's last layer over its tokens (at most 256), L2-normalised."""

    modality = "title"

    def __init__(
        self,
        name: str = PACKAGED_TITLE_ENCODER,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        batch_size: int = 64,
    ) -> None:
        """``name``: the packaged model, a local folder, or ``owner/model[@revision]`` of the hub."""
        self._source = title_source(name)
        self._device = choose_device(device)
        self._dtype = dtype or choose_dtype(self._device)
        self._batch_size = batch_size
        self.encoder_id = self._source.encoder_id(TITLE_STEPS, DTYPE_NAMES[self._dtype])

    @property
    def dim(self) -> int:
        """Length of a vector: 384 for the packaged model."""
        return _PACKAGED_DIM if self._source.kind == "packaged" else int(self._model.config.hidden_size)

    def content_hash(self, article: Article) -> str | None:
        """sha256 of the title in UTF-8, without the space around it; None when there is no title."""
        text = title_text(article)
        return None if text is None else hashlib.sha256(text.encode()).hexdigest()

    def status(self, article: Article) -> Status:
        """Whether there is a title; a title is never broken."""
        return "missing" if title_text(article) is None else "ok"

    def encode(self, articles: list[Article]) -> tuple[FloatArray, BoolArray]:
        """Unit vectors (n, dim) of the titles and a mask (n,); rows without a title are zeros."""
        texts = [title_text(article) for article in articles]
        mask = np.array([text is not None for text in texts], dtype=np.bool_)
        vectors = np.zeros((len(articles), self.dim), np.float32)
        rows = np.flatnonzero(mask)
        if rows.size:
            tokens = self._tokens([text for text in texts if text is not None])
            for batch in self._batches(tokens):
                vectors[rows[batch]] = self._pooled([tokens[i] for i in batch])
        return vectors, mask

    def unknown_share(self, articles: list[Article]) -> dict[str, float]:
        """Share of title tokens that the model does not know, by language ("unknown" where an article has none).

        Counted on the first 2,000 titles of each language. See ``words.unknown_share``: words in scraps count too
        under the packaged model, which is English; who named another model chose its languages.
        """
        texts: dict[str, list[str]] = defaultdict(list)
        for article in articles:
            text = title_text(article)
            if text is not None and len(texts[article.language or "unknown"]) < TITLES_PER_LANGUAGE:
                texts[article.language or "unknown"].append(text)
        unknown, english = self._tokenizer.unk_token_id, self._source.kind == "packaged"
        shares = {name: unknown_share(some, self._bare_tokens, unknown, english) for name, some in texts.items()}
        return {name: share for name, share in shares.items() if share is not None}

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._source)

    @cached_property
    def _model(self) -> Any:
        return load_model(self._source).to(self._device, self._dtype)

    def _bare_tokens(self, some_words: list[str]) -> list[list[int]]:
        return list(self._tokenizer(some_words, add_special_tokens=False, verbose=False)["input_ids"])

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        positions = getattr(self._model.config, "max_position_embeddings", None) or MAX_TOKENS
        most = min(MAX_TOKENS, self._tokenizer.model_max_length, positions)
        ids = self._tokenizer(texts, truncation=True, max_length=most)["input_ids"]
        return [list(row) or [self._tokenizer.pad_token_id] for row in ids]

    def _batches(self, tokens: list[list[int]]) -> Iterator[npt.NDArray[np.intp]]:
        """Rows of like length together, longest first, so that little is padded and memory peaks at once."""
        order = np.argsort([-len(row) for row in tokens], kind="stable")
        for start in range(0, len(order), self._batch_size):
            yield order[start : start + self._batch_size]

    def _pooled(self, tokens: list[list[int]]) -> FloatArray:
        """Unit vectors (batch, dim) of titles given as token ids."""
        rows = [torch.tensor(row) for row in tokens]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._tokenizer.pad_token_id)
        lengths = torch.tensor([len(row) for row in tokens])
        real = (torch.arange(ids.shape[1]) < lengths[:, None]).to(self._device)  # (batch, tokens)
        with torch.inference_mode():
            states = self._model(input_ids=ids.to(self._device), attention_mask=real.long()).last_hidden_state
            means = masked_mean(states.float(), real)
        pooled: FloatArray = torch.nn.functional.normalize(means, dim=1).cpu().numpy()
        return pooled


def title_text(article: Article) -> str | None:
    """The text to encode; None when the title has no character that can be seen."""
    text = (article.title or "").strip()
    if not any(character.isprintable() and not character.isspace() for character in text):
        return None
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair, as broken JSON brings, has no UTF-8


def masked_mean(states: Tensor, real: Tensor) -> Tensor:
    """The mean over the tokens that are real: (batch, tokens, dim) and (batch, tokens) -> (batch, dim)."""
    return (states * real[..., None]).sum(1) / real.sum(1, keepdim=True)


def load_tokenizer(source: Source) -> Any:
    """The model's tokenizer, able to pad on the right; raises RecsysError when it cannot be had."""
    import transformers

    tokenizer = _from_pretrained(transformers.AutoTokenizer, source)
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:  # GPT-like models have none; padding is masked, so any token serves
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(source: Source) -> Any:
    """The model (of an encoder-decoder its encoder) in float32 on the CPU; raises RecsysError when it cannot be had."""
    import transformers

    model = _from_pretrained(transformers.AutoModel, source).eval().float()
    return model.get_encoder() if model.config.is_encoder_decoder else model


def _from_pretrained(loader: Any, source: Source) -> Any:
    packaged = source.kind == "packaged"
    origin = str(TITLE_PACKAGE.checked_weights().parent) if packaged else source.location
    try:
        with _quiet():
            return loader.from_pretrained(
                origin,
                revision=source.commit or "main",
                local_files_only=source.commit is None,
                trust_remote_code=False,  # without it, code in a hub repository asks a question on the terminal
            )
    except (OSError, ValueError, ImportError, RuntimeError, LookupError, SafetensorError) as error:
        raise not_loaded(source.location, source.setting, error) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar over the layers and no advice while a model loads; errors are raised all the same."""
    import transformers

    logging: Any = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
