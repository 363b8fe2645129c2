"""Pointwise scores of candidates of which some inputs change, without reading those again that stay."""

from typing import cast

from torch import Tensor, nn

from recsys.model.ranking_head import PointwiseHead


def changed_scores(head: PointwiseHead, rows: Tensor, columns: Tensor, first: int) -> Tensor:
    """Scores (s, n) of rows (n, width) that have these columns (s, n, k) in place of their own from ``first`` on."""
    hidden, activation, out = cast(nn.Linear, head.layers[0]), head.layers[1], head.layers[-1]
    part, standardise = slice(first, first + columns.shape[2]), head.standardise
    same = standardise(rows)
    same[:, part] = 0.0
    changed = (columns - standardise.mean[part]) / standardise.scale[part]
    rise = changed.clamp(-standardise.limit, standardise.limit) @ hidden.weight[:, part].T
    scores: Tensor = out(activation(hidden(same) + rise)).squeeze(-1)
    return scores
