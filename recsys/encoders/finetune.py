"""Fine-tunes the last layers of a text model on pairs of texts that belong together; those below stay frozen."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from recsys.columns import Ints
from recsys.encoders.last_layers import Kept, LastLayers
from recsys.encoders.source import Source
from recsys.encoders.text_model import load_model, load_tokenizer, quiet
from recsys.progress import Progress, untold

WARM_UP = 0.1  # share of the steps in which the learning rate rises
LONGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class TuneConfig:
    """How a text model is tuned."""

    layers: int = 2  # the last ones, which change
    steps: int = 120  # with more, the titles of known articles are learnt by heart and new ones lose
    batch: int = 64  # pairs in a step
    rate: float = 1e-4
    weight_decay: float = 0.01
    temperature: float = 0.05
    log_q: float = 1.0  # share of the correction for popular texts being met often
    anchor: float = 0.0  # weight of staying near the frozen model's vectors


@dataclass(frozen=True)
class Tuned:
    """A text model whose last layers were tuned, and the loss of each step (without the anchor)."""

    model: Any
    tokenizer: Any
    losses: list[float]
    digest: str  # sha256 of the weights, in hex


def fine_tune(
    source: Source,
    texts: Sequence[str],
    pairs: Ints,
    *,
    device: torch.device = torch.device("cpu"),
    config: TuneConfig = TuneConfig(),
    seed: int = 0,
    report: Progress = untold,
) -> Tuned:
    """Tune on ``pairs`` (n, 2), rows of ``texts``; the same seed and input give the same weights on one machine.

    The loss is InfoNCE (van den Oord et al., 2018) in both directions: each text of a pair must find the other one
    among all texts of its batch, with the logQ correction of Yi et al., RecSys 2019.

    Raises:
        RecsysError: when the model cannot be loaded, or its last layers cannot run alone.
    """
    # torch's fused attention is slow backwards in bfloat16 on CPUs: with it a step takes three times as long
    with torch.random.fork_rng(), sdpa_kernel(SDPBackend.MATH):
        torch.manual_seed(seed)
        tokenizer, model = load_tokenizer(source), load_model(source).to(device).requires_grad_(False)
        layers = LastLayers(model, tokenizer, config.layers)
        kept = layers.keep(texts)
        with layers.alone(kept):
            losses = _train(layers, kept, pairs, config, np.random.default_rng(seed), report)
        return Tuned(model, tokenizer, losses, _digest(source, layers.tuned))


def save(tuned: Tuned, folder: Path) -> None:
    """Write model and tokenizer into a folder that ``TextModel`` can be given."""
    with quiet():
        tuned.model.save_pretrained(folder)
        tuned.tokenizer.save_pretrained(folder)


def _train(
    layers: LastLayers, kept: Kept, pairs: Ints, config: TuneConfig, generator: np.random.Generator, report: Progress
) -> list[float]:
    optimiser = torch.optim.AdamW(layers.tuned.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    warm_up = max(WARM_UP, 1.5 / max(config.steps, 2))  # OneCycleLR divides by zero when it is one step exactly
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.rate, total_steps=max(config.steps, 1), pct_start=warm_up
    )
    log_q = config.log_q * log_inclusion(pairs, 2 * config.batch)
    losses: list[float] = []
    for rows in _batches(len(pairs), config, generator):
        texts, place = np.unique(pairs[rows], return_inverse=True)
        vectors = layers.vectors(kept, texts)
        loss = contrast(vectors, torch.from_numpy(place.reshape(-1, 2)), log_q[texts], config.temperature)
        away = (1 - (vectors * kept.vectors[texts]).sum(dim=1)).mean()
        optimiser.zero_grad(set_to_none=True)
        (loss + config.anchor * away).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layers.tuned.parameters(), LONGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        report(len(losses), config.steps)
    return losses


def contrast(vectors: Tensor, pairs: Tensor, log_q: Tensor, temperature: float) -> Tensor:
    """InfoNCE in both directions, the other texts of the batch being the negatives.

    Args:
        vectors: (n, dim) of unit length.
        pairs: (batch, 2) rows of the vectors.
        log_q: (n,) log chance that each text is in a batch.
        temperature: of the cosines.
    """
    first, second = pairs.T
    logits = vectors @ vectors.T / temperature - log_q.to(vectors.device)
    logits = logits.masked_fill(torch.eye(len(vectors), dtype=torch.bool, device=logits.device), -torch.inf)
    first, second = first.to(logits.device), second.to(logits.device)
    return (cross_entropy(logits[first], second) + cross_entropy(logits[second], first)) / 2


def log_inclusion(pairs: Ints, drawn: int) -> Tensor:
    """Log of the chance that each text is among so many drawn from the pairs, (highest row + 1,)."""
    share = np.bincount(pairs.ravel()) / pairs.size
    chance = -np.expm1(drawn * np.log1p(-share.clip(1e-12, 1 - 1e-12)))
    return torch.from_numpy(np.log(chance)).float()


def _batches(size: int, config: TuneConfig, generator: np.random.Generator) -> Iterator[Ints]:
    """``steps`` batches of rows, each round through them in a new order."""
    order = np.zeros(0, np.int64)
    for _ in range(config.steps):
        order = order if len(order) >= min(config.batch, size) else generator.permutation(size)
        yield order[: config.batch]
        order = order[config.batch :]


def _digest(source: Source, tuned: nn.ModuleList) -> str:
    """sha256 of what was tuned and what it became."""
    digest = hashlib.sha256(source.label.encode())
    for name, value in sorted(tuned.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
