"""The losses: of the two towers, a softmax over sampled articles, and of the ranking head, one over a shown list."""

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
