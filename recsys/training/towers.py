"""Fits fusion and user tower on the clicks of a log: each click is predicted from what its user clicked before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recsys.columns import ClickColumns, Floats, Ints
from recsys.domain import Timestamp
from recsys.model.two_towers import TowerConfig, TwoTowers, unit
from recsys.model.user_tower import weighted_rows
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.towers import Towers
from recsys.training.batches import Batch, Task, draw, make_task, shown_not_clicked, shuffled
from recsys.training.carried import TowerStart, carried_over, with_rehearsal
from recsys.training.losses import log_inclusion, sampled_softmax
from recsys.training.newcomers import newcomers_offset

__all__ = ["FitConfig", "TowerConfig", "fit_towers", "shown_not_clicked"]

WARM_UP = 0.1  # share of the steps in which the learning rate rises
LONGEST_GRADIENT = 1.0
MOST_EPOCHS = 10  # however few steps those are


@dataclass(frozen=True)
class FitConfig:
    """How towers are fitted: 44,000 clicks on 1,500 articles take about 17 s on one free thread."""

    towers: TowerConfig = field(default_factory=TowerConfig)
    epochs: int = 8
    max_steps: int = 720  # bounds the time on large logs
    min_steps: int = 160  # on short ones, where so few epochs would leave the towers as they began
    batch: int = 512
    rate: float = 3e-3
    content_rate: float = 0.3  # of that rate, for what reads content: slower is better for articles never met
    weight_decay: float = 0.01
    id_decay: float = 15.0  # of the id embeddings, which learn the few clicks of an article by heart without it
    uniform: int = 256  # articles drawn uniformly into each softmax, beside the targets of the batch
    log_q: float = 0.65  # share of the correction for what is popular being sampled often; 1 ranks by popularity most


def fit_towers(
    content: Content,
    clicks: ClickColumns,
    *,
    until: Timestamp = np.inf,
    negatives: Ints | None = None,
    grades: Floats | None = None,
    views: Sequence[Content] = (),
    space: ContentSpace | None = None,
    start: TowerStart | None = None,
    config: FitConfig = FitConfig(),
    seed: int = 0,
    device: str = "cpu",
) -> Towers:
    """Train on the clicks known before ``until``; the same seed and input give the same towers.

    Args:
        content: raw modality vectors, row = article key.
        clicks: n clicks in any order; those of weight 0 are no examples.
        until: seconds; what became known then or later is not trained on.
        negatives: (n, k) articles shown beside each click and not clicked, NONE padded (see ``shown_not_clicked``).
        grades: (n,) what each click counts in the loss besides its age, 1 on average; None: all alike.
        views: other vectors of the same articles; the fusion is shown one of them, or the content's own, at random.
        space: of the content, where it is fitted already; it does not depend on clicks.
        start: towers to go on from, whose content space and shape stay; examples are the clicks that are new to them
            and as many older ones.
        config: shape and length of the training.
        seed: of weights, order and dropout.
        device: where to train; the towers come back on the CPU.

    Raises:
        RecsysError: when no click is left to train on.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        space = start.towers.content_space if start else space or ContentSpace.fit(content)
        task = make_task(space, content, clicks, until, negatives, views, grades)
        generator = np.random.default_rng(seed)
        towers, examples = _begun(space, task, config.towers, start, generator)
        _train(towers.to(device), task, examples, config, generator)
    fitted = Towers(towers.cpu().eval(), space, task.keys, task.clicks.numpy())
    towers.blend.newcomers.add_(newcomers_offset(fitted, task, content, np.random.default_rng(seed)))
    return fitted


def _begun(
    space: ContentSpace, task: Task, config: TowerConfig, start: TowerStart | None, generator: np.random.Generator
) -> tuple[TwoTowers, Ints]:
    """Towers to train, new ones or those of a start, and the clicks that are their examples."""
    if start is None:
        return _new(space, task, config), task.examples
    examples = with_rehearsal(task.examples, task.histories.known_at, start.until, generator)
    return carried_over(start.towers, task.keys), examples


def _new(space: ContentSpace, task: Task, config: TowerConfig) -> TwoTowers:
    towers = TwoTowers(space.dims, len(task.keys), config)
    towers.fusion.standardise(task.vectors, task.mask)
    towers.fusion.scatter_ids(torch.from_numpy(np.flatnonzero(~task.has_content)))
    return towers


def _train(towers: TwoTowers, task: Task, examples: Ints, config: FitConfig, generator: np.random.Generator) -> None:
    batches = -(-len(examples) // config.batch)
    steps = min(config.max_steps, max(config.epochs * batches, min(config.min_steps, MOST_EPOCHS * batches)))
    optimiser, schedule = _optimiser(towers, config, steps)
    towers.train()
    for rows in shuffled(examples, config.batch, steps, generator):
        batch = draw(task, rows, config.towers.history, config.uniform, generator)
        loss = _loss(towers, task, batch.to(towers.log_temperature.device), config.log_q)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(towers.parameters(), LONGEST_GRADIENT)
        optimiser.step()
        schedule.step()


def _optimiser(
    towers: TwoTowers, config: FitConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    readers, ids = towers.fusion.content_parameters(), towers.fusion.ids.weight
    chosen = {id(parameter) for parameter in (*readers, ids)}
    others = [parameter for parameter in towers.parameters() if id(parameter) not in chosen]
    groups: list[dict[str, Any]] = [{"params": others}, {"params": readers}, {"params": [ids]}]
    groups[-1]["weight_decay"] = config.id_decay
    optimiser = torch.optim.AdamW(groups, lr=config.rate, weight_decay=config.weight_decay)
    rates = [config.rate, config.rate * config.content_rate, config.rate]
    warm_up = max(WARM_UP, 1.5 / max(steps, 2))  # OneCycleLR divides by zero when it is one step exactly
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=max(steps, 1), pct_start=warm_up)
    return optimiser, schedule


def _loss(towers: TwoTowers, task: Task, batch: Batch, log_q: float) -> Tensor:
    """Sampled softmax over the scores that serving will add up: learned, content and offset."""
    places, device = batch.items.cpu(), batch.items.device
    vectors = {name: v.to(device) for name, v in task.inputs(batch).items()}
    mask = {name: m[places].to(device) for name, m in task.mask.items()}
    fused, weights = towers.fusion(vectors, mask, batch.items)
    learned, content, clicks = unit(fused), task.content[places].to(device), task.clicks[places].to(device)
    # an article whose id was dropped is scored as one that nobody has clicked yet
    scale, content_weight, offset = towers.blend(clicks * (weights[:, -1] > 0))
    items = torch.cat([learned * scale[:, None], content * content_weight[:, None], offset[:, None]], dim=1)
    users = _users(towers, learned, content, batch)
    share = clicks[batch.columns] / task.clicks.sum()
    corrections = log_q * log_inclusion(share, len(batch.target), batch.uniform)
    shown = None
    if batch.negatives is not None:
        scores = torch.einsum("bd,bkd->bk", users, items[batch.negatives])
        shown = scores.masked_fill(batch.negatives < 0, -torch.inf)
    logits = users @ items[batch.columns].T
    return sampled_softmax(logits, batch.target, corrections, batch.excluded, batch.grades, shown)


def _users(towers: TwoTowers, learned: Tensor, content: Tensor, batch: Batch) -> Tensor:
    """User vector, content profile and a one for the offset, side by side: (batch, dim + c + 1)."""
    users = unit(towers.user.from_table(learned, batch.history, batch.age, batch.mask))
    profiles = weighted_rows(content, batch.history, towers.profile(0.0, batch.age, batch.mask)[..., 0])
    ones = torch.ones(len(users), 1, device=users.device)
    return torch.cat([users / towers.log_temperature.exp(), profiles, ones], dim=1)
