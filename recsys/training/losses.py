"""The loss of the two towers: a softmax over sampled articles, corrected for how likely each was sampled."""

import torch
from torch import Tensor


def log_inclusion(frequency: Tensor, batch: int, uniform: float = 0.0) -> Tensor:
    """Log of the chance that an article is among the sampled columns of a batch (n,).

    Args:
        frequency: (n,) share of the training targets that each article has.
        batch: targets drawn.
        uniform: chance to be sampled regardless of frequency.
    """
    missed = batch * torch.log1p(-frequency.double().clamp(max=1 - 1e-12)) + torch.log1p(
        -torch.tensor(uniform, dtype=torch.float64).clamp(max=1 - 1e-12)
    )
    return torch.log(-torch.expm1(missed).clamp(max=-1e-12)).float()


def sampled_softmax(
    logits: Tensor,
    target: Tensor,
    log_q: Tensor,
    excluded: Tensor,
    grades: Tensor,
    negatives: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy of each target among the sampled articles.

    The logQ correction of Yi et al., Sampling-Bias-Corrected Neural Modeling, RecSys 2019: a popular article is
    sampled often, and without it is pushed down for that alone. Shown-but-not-clicked articles were not sampled but
    chosen by the page, so they get no correction.

    Args:
        logits: (batch, columns) scores of the sampled articles.
        target: (batch,) column of the clicked article.
        log_q: (columns,) log chance that each was sampled.
        excluded: (batch, columns) bool, columns that are no negatives of that row (already clicked by that user).
        grades: (batch,) what each click counts.
        negatives: (batch, k) scores of articles shown beside the click and not clicked, -inf for padding.
    """
    corrected = logits - log_q
    own = torch.zeros_like(excluded).scatter_(1, target[:, None], True)
    corrected = corrected.masked_fill(excluded & ~own, -torch.inf)
    if negatives is not None:
        corrected = torch.cat([corrected, negatives], dim=1)
    return (torch.nn.functional.cross_entropy(corrected, target, reduction="none") * grades).mean()
