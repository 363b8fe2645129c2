"""Fits both stages of the ranking head on replayed lists, and calibrates the second on held-out time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recsys.columns import Ints
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.pipeline.model import Heads
from recsys.pipeline.scorer import listwise_inputs, probabilities_of_lists, widths
from recsys.progress import Progress, untold
from recsys.training.calibration import calibrate, take_in
from recsys.training.lists import Lists, padded
from recsys.training.losses import choice_loss
from recsys.training.threshold import best_f1_threshold


@dataclass(frozen=True)
class HeadConfig:
    """How the heads are fitted."""

    epochs: int = 8
    batch: int = 64  # lists; with larger ones, in as many epochs, the heads are not done learning
    rate: float = 2e-3
    weight_decay: float = 0.3
    held_out: float = 0.1  # newest share of the lists, for calibration


def fit_heads(
    lists: Lists,
    modalities: tuple[str, ...],
    *,
    config: HeadConfig = HeadConfig(),
    seed: int = 0,
    start: Heads | None = None,
    progress: Progress | None = None,
) -> Heads:
    """Train on lists in the order of time; the same seed and input give the same heads.

    With a ``start`` they go on from its weights and its constants of the inputs, and are calibrated anew.

    The newest lists are held out to calibrate a first listwise head; its calibration then serves the head that
    is trained on all of them, which so costs no fresh data.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cut = max(1, round(len(lists) * (1 - config.held_out)))
        older, newest = np.arange(cut), np.arange(cut, len(lists))
        everything = np.arange(len(lists))
        report = progress or untold
        pointwise = _fit_pointwise(lists, modalities, config, seed, start, lambda d, t: report(d, 3 * t))
        listwise = _fit_listwise(lists, older, modalities, config, seed, start, lambda d, t: report(t + d, 3 * t))
        threshold = None
        if len(newest):
            held_out = lists.take(newest, lists.shown)
            calibration = calibrate(listwise, held_out)
            calibration.set(listwise)
            threshold = _threshold(listwise, held_out)
            listwise = _fit_listwise(
                lists, everything, modalities, config, seed, start, lambda d, t: report(2 * t + d, 3 * t)
            )
            calibration.set(listwise)
        return Heads(pointwise.eval(), listwise.eval(), threshold)


def _threshold(head: ListwiseHead, shown: Lists) -> float | None:
    """Where F1 on these lists is best, by a calibrated head that was not trained on them."""
    chances = probabilities_of_lists(head, np.split(shown.rows, shown.offsets[1:-1]))
    return best_f1_threshold(shown.labels, np.concatenate(chances))


def _fit_pointwise(
    lists: Lists, modalities: tuple[str, ...], config: HeadConfig, seed: int, start: Heads | None, progress: Progress
) -> PointwiseHead:
    """Trained on the lists that sampled live articles were added to: what to find among everything, not in a list.

    A click counts by its grade here alone: the listwise stage says how likely a click is, be it a short one.
    """
    head = PointwiseHead(widths(modalities)[0])
    if start is None:
        head.standardise.fit(torch.from_numpy(lists.rows))
    else:
        head.load_state_dict(start.pointwise.state_dict())
    clicked = np.add.reduceat(lists.labels, lists.offsets[:-1]) > 0
    sampled = np.add.reduceat(~lists.shown, lists.offsets[:-1]) > 0
    both = clicked & sampled
    train = np.flatnonzero(both if both.any() else clicked)

    def loss(batch: Lists) -> Tensor:
        scores, mask = padded(head(torch.from_numpy(batch.rows)), batch.offsets, 0.0)
        labels, _ = padded(torch.from_numpy(batch.labels), batch.offsets, 0.0)
        grades = None if batch.grades is None else padded(torch.from_numpy(batch.grades), batch.offsets, 1.0)[0]
        return choice_loss(scores, mask, labels, None, grades)

    _descend(head, train, lambda batch: loss(lists.take(batch)), config, seed, progress)
    return head


def _fit_listwise(
    lists: Lists,
    train: Ints,
    modalities: tuple[str, ...],
    config: HeadConfig,
    seed: int,
    start: Heads | None,
    progress: Progress,
) -> ListwiseHead:
    _, width, list_width = widths(modalities)
    head = ListwiseHead(width, list_width)
    if start is None:
        generator = np.random.default_rng(seed)
        sample = lists.take(generator.permutation(train)[:4096], lists.shown)
        items, contexts = listwise_inputs(sample.rows, sample.offsets)
        head.standardise.fit(torch.from_numpy(items))
        head.standardise_list.fit(torch.from_numpy(contexts))
    else:
        head.load_state_dict(start.listwise.state_dict())
        take_in(head)

    def loss(batch: Ints) -> Tensor:
        return _list_loss(head, lists.take(batch, lists.shown))

    _descend(head, train, loss, config, seed, progress)
    return head


def _list_loss(head: ListwiseHead, lists: Lists) -> Tensor:
    items, contexts = listwise_inputs(lists.rows, lists.offsets)
    logits, outside = head(torch.from_numpy(items), torch.from_numpy(contexts), torch.from_numpy(lists.offsets).diff())
    scores, mask = padded(logits, lists.offsets, 0.0)
    labels, _ = padded(torch.from_numpy(lists.labels), lists.offsets, 0.0)
    return choice_loss(scores, mask, labels, outside)


def _descend(
    head: nn.Module, train: Ints, loss: Callable[[Ints], Tensor], config: HeadConfig, seed: int, progress: Progress
) -> None:
    batches = -(-len(train) // config.batch)
    steps = config.epochs * batches
    if steps == 0:
        return
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    warm_up = max(0.1, 1.5 / max(steps, 2))  # OneCycleLR divides by zero when it is one step exactly
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.rate, total_steps=steps, pct_start=warm_up)
    generator = np.random.default_rng(seed)
    head.train()
    for step in range(steps):
        if step % batches == 0:
            order = generator.permutation(train)
        batch = order[(step % batches) * config.batch :][: config.batch]
        optimiser.zero_grad(set_to_none=True)
        loss(batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        progress(step + 1, steps)
