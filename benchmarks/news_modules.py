"""NRMS and NAML as torch modules over articles that are given as frozen vectors.

NRMS: Wu and others, Neural News Recommendation with Multi-Head Self-Attention, EMNLP 2019. NAML: Wu and others, Neural
News Recommendation with Attentive Multi-View Learning, IJCAI 2019. Both put words through an encoder of their own,
which frozen vectors leave no room for: there it is one linear projection of the vector. All else is as published.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

DROPOUT = 0.2
QUERY = 200  # dimensions of every additive attention
HEADS, HEAD_DIM = 16, 16  # of the self-attention in NRMS
NAML_DIM, CATEGORY_DIM = 400, 100


class AdditiveAttention(nn.Module):
    """A weighted mean of vectors, weighed by ``query . tanh(W v + b)`` (equations 4 and 5 of the NRMS paper)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(dim, QUERY)
        self.query = nn.Linear(QUERY, 1, bias=False)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, n, dim) and (batch, n) -> (batch, dim); zeros where nothing is there."""
        logits = self.query(torch.tanh(self.hidden(vectors))).squeeze(-1)
        weights = torch.softmax(logits.masked_fill(~mask, -1e9), dim=1) * mask
        return torch.einsum("bn,bnd->bd", weights, vectors)


class SelfAttentionUser(nn.Module):
    """The user encoder of NRMS: clicked articles attend to each other, then additive attention."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, HEADS * HEAD_DIM, bias=False) for _ in range(3))
        self.dropout = nn.Dropout(DROPOUT)
        self.pool = AdditiveAttention(HEADS * HEAD_DIM)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(batch, history, dim) and (batch, history) -> (batch, dim)."""
        heads = [part(vectors).unflatten(-1, (HEADS, HEAD_DIM)).transpose(1, 2) for part in self._parts()]
        seen = mask[:, None, None, :] | ~mask.any(dim=1)[:, None, None, None]  # a softmax over nothing is no number
        found = nn.functional.scaled_dot_product_attention(*heads, attn_mask=seen)
        return self.pool(self.dropout(found.transpose(1, 2).flatten(-2)), mask)

    def _parts(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.query, self.key, self.value


class ProjectedNews(nn.Module):
    """One view of an article, projected: all that is left of the news encoder of NRMS."""

    def __init__(self, view: nn.Module, dim: int, size: int) -> None:
        super().__init__()
        self.view, self.project, self.dropout = view, nn.Linear(dim, size), nn.Dropout(DROPOUT)

    def forward(self, keys: Tensor) -> Tensor:
        """(u,) article keys -> (u, size)."""
        return self.dropout(self.project(self.view(keys)))


class MultiViewNews(nn.Module):
    """The news encoder of NAML: each view projected to one size, then additive attention over the views."""

    def __init__(self, views: Mapping[str, tuple[nn.Module, int]], size: int) -> None:
        super().__init__()
        self.views = nn.ModuleDict({name: view for name, (view, _) in views.items()})
        self.project = nn.ModuleDict({name: nn.Linear(dim, size) for name, (_, dim) in views.items()})
        self.dropout, self.pool = nn.Dropout(DROPOUT), AdditiveAttention(size)

    def forward(self, keys: Tensor) -> Tensor:
        """(u,) article keys -> (u, size)."""
        read = {name: view(keys) for name, view in self.views.items()}
        there = torch.stack([vectors.abs().sum(1) > 0 for vectors in read.values()], dim=1)  # (u, views)
        projected = [self._projected(name, vectors) for name, vectors in read.items()]
        return self.pool(self.dropout(torch.stack(projected, dim=1)), there)

    def _projected(self, name: str, vectors: Tensor) -> Tensor:
        projected: Tensor = self.project[name](vectors)
        return torch.relu(projected) if name == "section" else projected


class Recommender(nn.Module):
    """News encoder and user encoder; the score of an article is the inner product of the two."""

    def __init__(self, news: nn.Module, user: nn.Module) -> None:
        super().__init__()
        self.news, self.user = news, user

    def forward(self, keys: Tensor, history: Tensor, candidates: Tensor) -> Tensor:
        """Scores (batch, c) of candidates (batch, c) for histories (batch, h); both are places in ``keys``, -1 padding.

        Each article of the batch is encoded once, however often it occurs.
        """
        vectors = self.news(keys)
        users = self.user(vectors[history.clamp(min=0)], history >= 0)
        scores = torch.einsum("bd,bcd->bc", users, vectors[candidates.clamp(min=0)])
        return scores.masked_fill(candidates < 0, -torch.inf)


def frozen(vectors: Tensor) -> nn.Embedding:
    """A table (articles, d) that training leaves as it is."""
    return nn.Embedding.from_pretrained(vectors, freeze=True)


class Coded(nn.Module):
    """A learned vector for each code, shared by the articles that have it; zeros for those without one."""

    place: Tensor

    def __init__(self, codes: Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("place", codes + 1)  # (articles,); -1, no code, is the padding
        self.table = nn.Embedding(int(codes.max()) + 2, dim, padding_idx=0)

    def forward(self, keys: Tensor) -> Tensor:
        """(u,) article keys -> (u, dim)."""
        vectors: Tensor = self.table(self.place[keys])
        return vectors
