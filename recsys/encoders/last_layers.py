"""A text model of which only the last layers run: what the frozen ones below make of each text is kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from recsys.columns import Ints
from recsys.domain import RecsysError
from recsys.encoders.device import choose_dtype
from recsys.encoders.text_model import masked_mean

MOST_TOKENS = 64  # of a text while tuning: hardly a title is longer, and what is kept grows with them
BATCH = 64  # texts at once through the whole model
ROWS, TOKENS = 32, 8  # shapes are multiples of these: for each new shape oneDNN keeps memory
ALIKE = 0.99  # least cosine between the whole model's vectors and those made from what was kept


@dataclass(frozen=True)
class Kept:
    """What does not change while the last layers are tuned, by text."""

    tokens: list[Tensor]  # (t,) ids
    states: list[Tensor]  # (t, width) behind the frozen layers, in the fastest number type of the device
    vectors: Tensor  # (n, dim) unit vectors of the model as it was


class Recalled(nn.Module):
    """Stands in the place of the frozen layers and gives what they gave, whatever it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.states, self.as_tuple = torch.zeros(0), False

    def forward(self, *_: object, **__: object) -> Tensor | tuple[Tensor]:
        """The states that were set last (batch, tokens, width), in the shape in which this model's layers give them."""
        return (self.states,) if self.as_tuple else self.states


class LastLayers:
    """The last ``layers`` layers of a model, cut off from those below."""

    def __init__(self, model: Any, tokenizer: Any, layers: int) -> None:
        """``model`` and ``tokenizer`` are of transformers; raises RecsysError when that model cannot be cut."""
        self._model, self._tokenizer, self._pad = model, tokenizer, tokenizer.pad_token_id
        self._owner, self._name = _row_of_layers(model)
        self._whole: nn.ModuleList = getattr(self._owner, self._name)
        if not 0 < layers < len(self._whole):
            raise RecsysError(f"The title encoder has {len(self._whole)} layers: at least one must stay frozen.")
        self.tuned = nn.ModuleList(list(self._whole)[-layers:])
        self._below = self._whole[-layers - 1]
        self._recalled = Recalled()
        self._device: torch.device = next(model.parameters()).device
        self._dtype = choose_dtype(self._device)

    @torch.no_grad()
    def keep(self, texts: Sequence[str]) -> Kept:
        """Run each text through the whole model once: some 12 KB a title of 16 tokens in bfloat16."""
        rows = self._tokenizer(list(texts), truncation=True, max_length=MOST_TOKENS)["input_ids"]
        tokens = [torch.tensor(row or [self._pad]) for row in rows]
        states, vectors = [torch.zeros(0)] * len(tokens), [torch.zeros(0)] * len(tokens)
        seen: list[Any] = []
        hook = self._below.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        order = np.argsort([-len(row) for row in tokens], kind="stable")
        for batch in (order[first : first + BATCH].tolist() for first in range(0, len(order), BATCH)):
            made, output = self._vectors([tokens[i] for i in batch]), seen.pop()
            self._recalled.as_tuple = isinstance(output, tuple)
            below: Tensor = output[0] if self._recalled.as_tuple else output
            for i, state, vector in zip(batch, below, made, strict=True):
                states[i], vectors[i] = state[: len(tokens[i])].to(self._dtype, copy=True), vector
        hook.remove()
        return Kept(tokens, states, torch.stack(vectors))

    @contextmanager
    def alone(self, kept: Kept) -> Iterator[None]:
        """While open, the model is its last layers behind what was kept, and they may be tuned.

        Raises:
            RecsysError: when they read more than the states below them, so that they cannot run alone.
        """
        setattr(self._owner, self._name, nn.ModuleList([self._recalled, *self.tuned]))
        try:
            self._check(kept)
            self.tuned.requires_grad_(True).train()
            yield
        finally:
            self.tuned.requires_grad_(False).eval()
            setattr(self._owner, self._name, self._whole)

    def vectors(self, kept: Kept, rows: Ints) -> Tensor:
        """Unit vectors (n, dim) of these texts by the last layers ``alone``."""
        full = np.resize(rows, -(-len(rows) // ROWS) * ROWS).tolist()  # filled up with some of them again
        self._recalled.states = _padded([kept.states[i] for i in full], 0).float()
        return self._vectors([kept.tokens[i] for i in full])[: len(rows)]

    @torch.no_grad()
    def _check(self, kept: Kept) -> None:
        some = np.arange(min(BATCH, len(kept.tokens)))
        if not ((self.vectors(kept, some) * kept.vectors[some]).sum(dim=1) > ALIKE).all():
            raise RecsysError("The last layers of the title encoder cannot run alone: it cannot be fine-tuned.")

    def _vectors(self, tokens: list[Tensor]) -> Tensor:
        """Unit vectors (batch, dim) of texts given as token ids, by the model as it stands now."""
        ids = _padded(tokens, self._pad).to(self._device)
        lengths = torch.tensor([len(row) for row in tokens])
        real = (torch.arange(ids.shape[1]) < lengths[:, None]).to(self._device)
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            states = self._model(input_ids=ids, attention_mask=real.long()).last_hidden_state
        return normalize(masked_mean(states.float(), real), dim=1)


def _padded(rows: list[Tensor], value: int) -> Tensor:
    """Rows (t, ...) of unequal length as one tensor (n, longest, ...), the longest being a multiple of TOKENS."""
    padded = pad_sequence(rows, batch_first=True, padding_value=value)
    behind = padded.new_full((len(rows), -padded.shape[1] % TOKENS, *padded.shape[2:]), value)
    return torch.cat([padded, behind], dim=1)


def _row_of_layers(model: Any) -> tuple[nn.Module, str]:
    """The module that holds the longest list of layers, and the name of the list in it."""
    found = [
        (len(child), owner, name)
        for owner in model.modules()
        for name, child in owner.named_children()
        if isinstance(child, nn.ModuleList)
    ]
    if not found:
        raise RecsysError("The title encoder has no row of layers: it cannot be fine-tuned.")
    _, owner, name = max(found, key=lambda entry: entry[0])
    return owner, name
