"""Lists of examples as the ranking head is trained on them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys.columns import Bools, Floats32, Ints


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


def padded(values: Tensor, offsets: Ints, fill: float) -> tuple[Tensor, Tensor]:
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
