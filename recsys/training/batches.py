"""What the towers train on: each click with what its user had clicked before, and batches of those."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recsys.columns import NONE, Bools, ClickColumns, EventLog, Floats, Ints
from recsys.domain import Modality, RecsysError, Timestamp
from recsys.pipeline.content import Content, ContentSpace
from recsys.pipeline.histories import Histories
from recsys.pipeline.towers import fusion_inputs
from recsys.training.grades import graded_by_age


@dataclass(frozen=True)
class Seen:
    """What users had clicked, or seen and not liked, before each click: no candidates any more, so no negatives."""

    place: Ints  # (s,) by user and time; NONE for an article that no example needs
    start: Ints  # (n,) of the stretch before each click
    end: Ints  # (n,)

    @classmethod
    def of(cls, clicks: ClickColumns, histories: Histories, keys: Ints) -> "Seen":
        """Before each click of ``histories``, which were taken from these ``clicks``; places are those in ``keys``."""
        everything = Histories.of(replace(clicks, weight=np.ones(len(clicks))))
        own = np.argsort(everything.row)[histories.row]
        start, end = everything.before_own()
        place = np.searchsorted(keys, everything.article).clip(max=len(keys) - 1)
        return cls(np.where(keys[place] == everything.article, place, NONE), start[own], end[own])

    def pairs(self, rows: Ints) -> tuple[Ints, Ints]:
        """What these examples' users had seen: pairs of a number in ``rows`` and a place (p,)."""
        lengths = self.end[rows] - self.start[rows]
        behind = np.cumsum(lengths)
        first = np.repeat(self.start[rows] - (behind - lengths), lengths)
        place = self.place[first + np.arange(lengths.sum())]
        return np.repeat(np.arange(len(rows)), lengths)[place != NONE], place[place != NONE]


@dataclass(frozen=True)
class Task:
    """Examples and the articles they need; an article's place in ``keys`` stands for it in all that follows."""

    keys: Ints  # (m,) article keys
    vectors: dict[Modality, Tensor]  # (m, d) what fusion sees
    views: dict[Modality, Tensor]  # (views, m, d) what it may see instead, the first being ``vectors``; empty: nothing
    mask: dict[Modality, Tensor]  # (m,)
    content: Tensor  # (m, c) content vectors
    clicks: Tensor  # (m,) how often each was clicked
    histories: Histories
    seen: Seen
    start: Ints  # (n,) first click of each click's input
    end: Ints  # (n,) behind its last
    target: Ints  # (n,) place of the clicked article
    negatives: Ints | None  # (n, k) places of articles shown beside it, or NONE
    grades: Floats  # (n,) what each click counts

    @property
    def has_content(self) -> Bools:
        """(m,) which articles have any modality."""
        return (
            np.any([m.numpy() for m in self.mask.values()], axis=0) if self.mask else np.zeros(len(self.keys), np.bool_)
        )

    def inputs(self, batch: "Batch") -> dict[Modality, Tensor]:
        """What fusion sees of a batch's articles (u, d), on the CPU."""
        places = batch.items.cpu()
        if batch.view is None:
            return {name: v[places] for name, v in self.vectors.items()}
        return {name: v[view, places] for (name, v), view in zip(self.views.items(), batch.view.cpu(), strict=True)}

    @property
    def examples(self) -> Ints:
        """Rows that have an input; a click out of nothing teaches nothing about users."""
        return np.flatnonzero(self.end > self.start)


@dataclass(frozen=True)
class Batch:
    """One step's examples; ``history``, ``columns`` and ``negatives`` are rows of ``items``."""

    items: Tensor  # (u,) places of the articles that this step needs
    history: Tensor  # (batch, history), 0 for padding
    age: Tensor  # (batch, history) seconds
    mask: Tensor  # (batch, history)
    columns: Tensor  # (c,) the sampled articles
    target: Tensor  # (batch,) column of the clicked article
    excluded: Tensor  # (batch, c) columns that the user had seen before
    uniform: float  # chance of every article to be sampled, whatever its clicks
    negatives: Tensor | None  # (batch, k), -1 for padding
    grades: Tensor  # (batch,) what each example counts
    view: Tensor | None  # (modalities, u) which view of each article this step sees

    def to(self, device: torch.device) -> "Batch":
        """The same with all tensors on ``device``."""
        moved = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        return Batch(**{**vars(self), **moved})


def make_task(
    space: ContentSpace,
    content: Content,
    clicks: ClickColumns,
    until: Timestamp,
    negatives: Ints | None,
    views: Sequence[Content] = (),
    grades: Floats | None = None,
) -> Task:
    """Examples from the clicks known before ``until``; see ``fit_towers`` for the arguments."""
    kept = np.flatnonzero(clicks.known_at < until)
    known = clicks.take(kept)
    histories = Histories.of(known)
    if not len(histories):
        raise RecsysError("no click is known before the end of training: import a log with clicks, or train later")
    shown = None if negatives is None else negatives[kept][histories.row]
    keys = np.unique(histories.article if shown is None else np.append(histories.article, shown[shown != NONE]))
    vectors, mask = fusion_inputs(space, content, keys)
    target = np.searchsorted(keys, histories.article)
    start, end = histories.before_own()
    return Task(
        keys=keys,
        vectors=vectors,
        views=_all_views(space, vectors, views, keys),
        mask=mask,
        content=torch.from_numpy(space.vectors(content, keys)),
        clicks=torch.from_numpy(np.bincount(target, minlength=len(keys))),
        histories=histories,
        seen=Seen.of(known, histories, keys),
        start=start,
        end=end,
        target=target,
        negatives=None if shown is None else np.where(shown == NONE, NONE, np.searchsorted(keys, shown)),
        grades=graded_by_age(histories.at) * (1.0 if grades is None else grades[kept][histories.row]),
    )


def shuffled(examples: Ints, batch: int, steps: int, generator: np.random.Generator) -> Iterator[Ints]:
    """``steps`` batches of examples, each epoch in a new order."""
    while steps > 0 and len(examples):
        order = generator.permutation(examples)
        for first in range(0, min(len(order), steps * batch), batch):
            yield order[first : first + batch]
            steps -= 1


def draw(task: Task, rows: Ints, history: int, uniform: int, generator: np.random.Generator) -> Batch:
    """The batch of these examples, with ``uniform`` more articles drawn into its softmax."""
    window = task.histories.windows(task.start[rows], task.end[rows], task.histories.at[rows], history)
    read = np.where(window.mask, task.target[window.row], NONE)
    uniform = min(uniform, len(task.keys))
    columns = np.unique(np.append(task.target[rows], generator.choice(len(task.keys), uniform, replace=False)))
    shown = np.zeros((len(rows), 0), np.int64) if task.negatives is None else task.negatives[rows]
    needed = np.unique(np.concatenate([columns, read[window.mask], shown[shown != NONE]]))
    item, column = _places(needed, len(task.keys)), _places(columns, len(task.keys))
    example, place = task.seen.pairs(rows)
    excluded = np.zeros((len(rows), len(columns) + 1), np.bool_)
    excluded[example, column[place]] = True  # those that are no column fall into the last one
    return Batch(
        items=torch.from_numpy(needed),
        history=torch.from_numpy(np.maximum(item[read], 0)),
        age=torch.from_numpy(window.age).float(),
        mask=torch.from_numpy(window.mask),
        columns=torch.from_numpy(item[columns]),
        target=torch.from_numpy(column[task.target[rows]]),
        excluded=torch.from_numpy(excluded[:, :-1]),
        uniform=uniform / len(task.keys),
        negatives=None if task.negatives is None else torch.from_numpy(item[shown]),
        grades=torch.from_numpy(task.grades[rows]).float(),
        view=_drawn_views(task, len(needed), generator),
    )


def shown_not_clicked(log: EventLog, size: int, seed: int = 0) -> Ints:
    """Up to ``size`` articles shown in the list of each click and not clicked in it: (clicks, size), NONE padded.

    What was dismissed was not clicked; a dismissal itself has none.
    """
    clicks, lists = log.clicks, log.impressions
    drawn = np.full((len(clicks), size), NONE, np.int64)
    list_of = {position: row for row, position in enumerate(lists.position.tolist())}
    liked = np.flatnonzero((clicks.weight > 0) & np.isin(clicks.impression, lists.position))
    pairs = list(zip(clicks.impression[liked].tolist(), clicks.article[liked].tolist(), strict=True))
    clicked, generator = set(pairs), np.random.default_rng(seed)
    for row, (position, _) in zip(liked.tolist(), pairs, strict=True):
        first, behind = lists.offsets[list_of[position] : list_of[position] + 2]
        others = [item for item in lists.items[first:behind].tolist() if (position, item) not in clicked]
        chosen = generator.permutation(np.array(others, np.int64))[:size]
        drawn[row, : len(chosen)] = chosen
    return drawn


def _all_views(
    space: ContentSpace, plain: dict[Modality, Tensor], views: Sequence[Content], keys: Ints
) -> dict[Modality, Tensor]:
    """The plain vectors and behind them each view's (views + 1, m, d); the plain ones again where it has none."""
    if not views:
        return {}
    seen = [fusion_inputs(space, view, keys) for view in views]
    return {
        name: torch.stack([own, *(torch.where(mask[name][:, None], v[name], own) for v, mask in seen)])
        for name, own in plain.items()
    }


def _drawn_views(task: Task, items: int, generator: np.random.Generator) -> Tensor | None:
    """For each modality and article a view at random, the plain one among them: (modalities, items)."""
    if not task.views:
        return None
    views = len(next(iter(task.views.values())))
    return torch.from_numpy(generator.integers(views, size=(len(task.views), items)))


def _places(chosen: Ints, size: int) -> Ints:
    """Row in ``chosen`` of each of ``size`` places, NONE for the others and, at the end, for NONE itself."""
    place = np.full(size + 1, NONE, np.int64)
    place[chosen] = np.arange(len(chosen))
    return place
