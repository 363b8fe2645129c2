"""Hugging Face text models: texts -> token windows -> vectors of unit length, the mean over all tokens."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor

from recsys.encoders.contract import FloatArray
from recsys.encoders.device import DTYPE_NAMES, choose_device, choose_dtype
from recsys.encoders.source import TEXT_PACKAGE, Source, not_loaded, text_source
from recsys.settings import PACKAGED_TEXT_ENCODER

MAX_TOKENS = 256  # of one window
DROPPED = 0.125  # share of the tokens that a view of a text is without
_PACKAGED_DIM = 384


class TextModel:
    """One model in memory, for as many fields of an article as are read with it; loaded at the first text."""

    def __init__(
        self,
        name: str = PACKAGED_TEXT_ENCODER,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        batch_size: int = 64,
        setting: str = "RECSYS_TITLE_ENCODER",
    ) -> None:
        """``name``: the packaged model, a local folder, or ``owner/model[@revision]`` of the hub.

        ``setting`` is the variable that named it, for error messages.
        """
        self.source = text_source(name, setting)
        self._device = choose_device(device)
        self._dtype = dtype or choose_dtype(self._device)
        self._batch_size = batch_size

    def encoder_id(self, steps: str) -> str:
        """The id of vectors that this model makes by these steps."""
        return self.source.encoder_id(steps, DTYPE_NAMES[self._dtype])

    @property
    def dim(self) -> int:
        """Length of a vector: 384 for the packaged model."""
        return _PACKAGED_DIM if self.source.kind == "packaged" else int(self._model.config.hidden_size)

    @property
    def unknown_token(self) -> int | None:
        """What the tokenizer writes for what it cannot read."""
        token: int | None = self._tokenizer.unk_token_id
        return token

    def bare_tokens(self, words: list[str]) -> list[list[int]]:
        """Tokens of single words, without marks around them."""
        return list(self._tokenizer(words, add_special_tokens=False, verbose=False)["input_ids"])

    def vectors(
        self, texts: list[str], windows: int = 1, chances: Sequence[np.random.Generator] | None = None
    ) -> FloatArray:
        """Unit vectors (n, dim): the mean of the last layer over the tokens of a text's first ``windows`` windows.

        With ``chances``, one for each text, some tokens are left out; see ``without_some``.
        """
        tokens, owner = self._windows(texts, windows)
        if chances is not None:
            marks = set(self._tokenizer.all_special_ids)
            tokens = [without_some(row, marks, chances[i]) for row, i in zip(tokens, owner, strict=True)]
        means = np.zeros((len(tokens), self.dim), np.float32)
        for batch in self._batches(tokens):
            means[batch] = self._means([tokens[i] for i in batch])
        sums = np.zeros((len(texts), self.dim), np.float32)
        np.add.at(sums, owner, means * np.array([len(row) for row in tokens], np.float32)[:, None])
        return torch.nn.functional.normalize(torch.from_numpy(sums), dim=1).numpy()

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.source)

    @cached_property
    def _model(self) -> Any:
        return load_model(self.source).to(self._device, self._dtype)

    def _windows(self, texts: list[str], windows: int) -> tuple[list[list[int]], npt.NDArray[np.intp]]:
        """Token ids of each window, and the text that each belongs to."""
        positions = getattr(self._model.config, "max_position_embeddings", None) or MAX_TOKENS
        most = min(MAX_TOKENS, self._tokenizer.model_max_length, positions)
        more = windows > 1 and self._tokenizer.is_fast  # the few that are written in Python give the first one alone
        found = self._tokenizer(texts, truncation=True, max_length=most, return_overflowing_tokens=more)
        rows = [list(row) or [self._tokenizer.pad_token_id] for row in found["input_ids"]]
        owner = np.array(found["overflow_to_sample_mapping"] if more else range(len(texts)), np.intp)
        nth = np.arange(len(owner)) - np.searchsorted(owner, owner)
        kept = np.flatnonzero(nth < windows)
        return [rows[i] for i in kept], owner[kept]

    def _batches(self, tokens: list[list[int]]) -> Iterator[npt.NDArray[np.intp]]:
        """Rows of like length together, longest first, so that little is padded and memory peaks at once."""
        order = np.argsort([-len(row) for row in tokens], kind="stable")
        for start in range(0, len(order), self._batch_size):
            yield order[start : start + self._batch_size]

    def _means(self, tokens: list[list[int]]) -> FloatArray:
        """Means (batch, dim) of the last layer over windows given as token ids."""
        rows = [torch.tensor(row) for row in tokens]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self._tokenizer.pad_token_id)
        lengths = torch.tensor([len(row) for row in tokens])
        real = (torch.arange(ids.shape[1]) < lengths[:, None]).to(self._device)  # (batch, tokens)
        with torch.inference_mode():
            states = self._model(input_ids=ids.to(self._device), attention_mask=real.long()).last_hidden_state
            means: FloatArray = masked_mean(states.float(), real).cpu().numpy()
        return means


def without_some(tokens: list[int], marks: set[int], chance: np.random.Generator) -> list[int]:
    """The tokens without about an eighth of them; marks such as [CLS] stay, and never are all the others dropped."""
    dropped = chance.random(len(tokens)) < DROPPED
    kept = [token for token, out in zip(tokens, dropped, strict=True) if token in marks or not out]
    return kept if set(kept) - marks else tokens


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
    origin = str(TEXT_PACKAGE.checked_weights().parent) if packaged else source.location
    try:
        with quiet():
            return loader.from_pretrained(
                origin,
                revision=source.commit or "main",
                local_files_only=source.commit is None,
                trust_remote_code=False,  # without it, code in a hub repository asks a question on the terminal
            )
    except (OSError, ValueError, ImportError, RuntimeError, LookupError, SafetensorError) as error:
        raise not_loaded(source.location, source.setting, error) from error


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bar and no advice while a model is loaded or saved; errors are raised all the same."""
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
