"""Fits both stages of the ranking head on replayed lists, and calibrates the second on held-out time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recsys.columns import Bools, Floats32, Ints
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.pipeline.model import Heads
from recsys.pipeline.scorer import listwise_inputs, probabilities_of_lists, widths
from recsys.training.threshold import best_f1_threshold


@dataclass(frozen=True)
class HeadConfig:
    """How the heads are fitted."""

    epochs: int = 8
    batch: int = 64  # lists; with larger ones, in as many epochs, the heads are not done learning
    rate: float = 2e-3
    weight_decay: float = 1e-2
    held_out: float = 0.1  # newest share of the lists, for calibration


@dataclass(frozen=True)
class Lists:
    """Lists of pointwise inputs; those shown come first in each list, then sampled live articles."""

    offsets: Ints  # (lists + 1,)
    rows: Floats32  # (rows, width)
    labels: Floats32  # (rows,)
    shown: Bools  # (rows,)
    grades: Floats32 | None = None  # (rows,) what a click on each counts in the pointwise loss; None: all alike

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, lists: Ints, keep: Bools | None = None) -> "Lists":
        """These lists, with only the rows to ``keep`` (over all rows) where that is given."""
        rows = _ranges(self.offsets[lists], self.offsets[lists + 1])
        owner = np.repeat(np.arange(len(lists)), self.offsets[lists + 1] - self.offsets[lists])
        if keep is not None:
            rows, owner = rows[keep[rows]], owner[keep[rows]]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(lists)))])
        grades = None if self.grades is None else self.grades[rows]
        return Lists(offsets, self.rows[rows], self.labels[rows], self.shown[rows], grades)


Progress = Callable[[int, int], None]
BELIEF = 1.0  # lists' worth of evidence that a head needs no calibration, so that a few lists cannot carry it away


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

    The newest lists are held out to calibrate a first listwise head; its temperature then serves the head that
    is trained on all of them, so that calibration costs no fresh data.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        cut = max(1, round(len(lists) * (1 - config.held_out)))
        older, newest = np.arange(cut), np.arange(cut, len(lists))
        everything = np.arange(len(lists))
        report = progress or (lambda _done, _total: None)
        pointwise = _fit_pointwise(lists, modalities, config, seed, start, lambda d, t: report(d, 3 * t))
        listwise = _fit_listwise(lists, older, modalities, config, seed, start, lambda d, t: report(t + d, 3 * t))
        threshold = None
        if len(newest):
            held_out = lists.take(newest, lists.shown)
            temperature, shift = calibrate(listwise, held_out)
            _set_calibration(listwise, temperature, shift)
            threshold = _threshold(listwise, held_out)
            listwise = _fit_listwise(
                lists, everything, modalities, config, seed, start, lambda d, t: report(2 * t + d, 3 * t)
            )
            _set_calibration(listwise, temperature, shift)
        return Heads(pointwise.eval(), listwise.eval(), threshold)


def calibrate(head: ListwiseHead, shown: Lists) -> tuple[Tensor, Tensor]:
    """Temperature and shift of the outside option that minimise the log loss of these lists (Guo and others 2017)."""
    head.eval()
    items, contexts = listwise_inputs(shown.rows, shown.offsets)
    with torch.no_grad():
        logits, outside = head(torch.from_numpy(items), torch.from_numpy(contexts))
    labels, mask = _padded(torch.from_numpy(shown.labels), shown.offsets, 0.0)
    scores, _ = _padded(logits, shown.offsets, 0.0)
    log_temperature, shift = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
    optimiser = torch.optim.LBFGS([log_temperature, shift], max_iter=50, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        scale = torch.exp(-log_temperature)
        prior = BELIEF / len(shown) * (log_temperature.square() + shift.square())
        loss = choice_loss(scores * scale, mask, labels, outside * scale + shift) + prior
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return log_temperature.detach().exp(), shift.detach()


def _set_calibration(head: ListwiseHead, temperature: Tensor, shift: Tensor) -> None:
    head.temperature.copy_(temperature)
    head.outside_shift.copy_(shift)


@torch.no_grad()
def _take_in_calibration(head: ListwiseHead) -> None:
    """Write the calibration into the last weights, so that training goes on from the chances that the head gives."""
    for layer in (head.layers[-1], head.outside[-1]):
        for parameter in layer.parameters():
            parameter.div_(head.temperature)
    *_, bias = head.outside.parameters()
    bias.add_(head.outside_shift)
    _set_calibration(head, torch.ones(()), torch.zeros(()))


def _threshold(head: ListwiseHead, shown: Lists) -> float | None:
    """Where F1 on these lists is best, by a calibrated head that was not trained on them."""
    chances = probabilities_of_lists(head, np.split(shown.rows, shown.offsets[1:-1]))
    return best_f1_threshold(shown.labels, np.concatenate(chances))


def choice_loss(
    scores: Tensor, mask: Tensor, labels: Tensor, outside: Tensor | None, grades: Tensor | None = None
) -> Tensor:
    """Mean negative log-likelihood of the choices under a softmax over each list and its outside option.

    Args:
        scores: (lists, longest) logits.
        mask: (lists, longest) False for padding.
        labels: (lists, longest) 1 clicked.
        outside: (lists,) logits of clicking on nothing; None leaves that option out.
        grades: (lists, longest) what each click counts, only where there is no outside option; None: all alike.
    """
    logits = scores.masked_fill(~mask, -torch.inf)
    nothing = (labels.sum(1) == 0).to(scores.dtype)
    chosen = labels
    if outside is not None:
        logits = torch.cat([logits, outside[:, None]], dim=1)
        chosen = torch.cat([labels, nothing[:, None]], dim=1)
    log_likelihood = torch.log_softmax(logits, dim=1).masked_fill(chosen == 0, 0.0)
    if grades is not None:
        log_likelihood = log_likelihood * grades
    return -((log_likelihood * chosen).sum(1) / chosen.sum(1).clamp(min=1)).mean()


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
        scores, mask = _padded(head(torch.from_numpy(batch.rows)), batch.offsets, 0.0)
        labels, _ = _padded(torch.from_numpy(batch.labels), batch.offsets, 0.0)
        grades = None if batch.grades is None else _padded(torch.from_numpy(batch.grades), batch.offsets, 1.0)[0]
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
        _take_in_calibration(head)

    def loss(batch: Ints) -> Tensor:
        return _list_loss(head, lists.take(batch, lists.shown))

    _descend(head, train, loss, config, seed, progress)
    return head


def _list_loss(head: ListwiseHead, lists: Lists) -> Tensor:
    items, contexts = listwise_inputs(lists.rows, lists.offsets)
    logits, outside = head(torch.from_numpy(items), torch.from_numpy(contexts))
    scores, mask = _padded(logits, lists.offsets, 0.0)
    labels, _ = _padded(torch.from_numpy(lists.labels), lists.offsets, 0.0)
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


def _padded(values: Tensor, offsets: Ints, fill: float) -> tuple[Tensor, Tensor]:
    """Ragged values (rows,) as (lists, longest), and which places are real."""
    lengths = torch.from_numpy(np.diff(offsets))
    mask = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
    return torch.full(mask.shape, fill, dtype=values.dtype).masked_scatter(mask, values), mask


def _ranges(first: Ints, last: Ints) -> Ints:
    """All integers of the ranges first[i]:last[i], one after the other."""
    lengths = last - first
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    ranges: Ints = starts + np.arange(int(lengths.sum()))
    return ranges
