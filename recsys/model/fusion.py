"""Fusion of an article's modality vectors and its id embedding into one fused item embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

BEHAVIOUR = "behaviour"  # the id embedding, as one more modality
SMALLEST = 1e-12


@dataclass(frozen=True)
class FusionConfig:
    """Shape of the fusion and how much of an article it is made to do without while training."""

    dims: dict[str, int]  # modality -> length of its vectors
    ids: int  # articles with an id embedding
    dim: int = 64  # of the fused embedding
    gate: int = 32  # hidden units of the gate
    modality_dropout: float = 0.15
    id_dropout: float = 0.2


class GatedFusion(nn.Module):
    """Projects each modality and sums them with weights that a gate chooses for each article.

    The weights are a softmax over the modalities that an article has (Arevalo et al., Gated Multimodal Units, 2017,
    with a softmax in place of the sigmoids). Weights are returned in the order of ``names``.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.config = config
        self.modalities = tuple(sorted(config.dims))  # sorted: the order of a dict decides nothing
        self.names = (*self.modalities, BEHAVIOUR)
        self.project = nn.ModuleList([nn.Linear(config.dims[name], config.dim) for name in self.modalities])
        self.ids = nn.Embedding(config.ids + 1, config.dim)  # the last row stands for "none known", and stays zero
        nn.init.zeros_(self.ids.weight)
        self.gate = nn.Sequential(
            nn.Linear(len(self.modalities) * config.dim + len(self.names), config.gate),
            nn.ReLU(),
            nn.Linear(config.gate, len(self.names)),
        )
        for number, name in enumerate(self.modalities):
            self.register_buffer(f"mean_{number}", torch.zeros(config.dims[name]))
            self.register_buffer(f"scale_{number}", torch.ones(()))

    @torch.no_grad()
    def standardise(self, vectors: dict[str, Tensor], mask: dict[str, Tensor]) -> None:
        """Store each modality's mean and scale, so that its vectors enter centred and with a mean square of 1.

        One scale for a whole modality, not one per dimension: angles between vectors are what encoders mean.
        """
        for number, name in enumerate(self.modalities):
            known = vectors[name][mask[name]].double()
            if not len(known):
                continue
            mean = known.mean(dim=0)
            self.get_buffer(f"mean_{number}").copy_(mean)
            spread = (known - mean).square().mean().sqrt()
            self.get_buffer(f"scale_{number}").copy_(spread if spread > SMALLEST else torch.ones(()))

    @torch.no_grad()
    def scatter_ids(self, rows: Tensor) -> None:
        """Give these rows of the id embedding (n,) random directions instead of zeros.

        For articles without any content: nothing but their id tells them apart, and towers whose items and users are
        all zeros have no gradient to leave from.
        """
        self.ids.weight[rows] = torch.randn(len(rows), self.config.dim) / self.config.dim**0.5

    def forward(self, vectors: dict[str, Tensor], mask: dict[str, Tensor], id_rows: Tensor) -> tuple[Tensor, Tensor]:
        """Fused embeddings and the weight of each modality.

        Args:
            vectors: modality -> (n, d) raw vectors.
            mask: modality -> (n,) bool, which articles have it.
            id_rows: (n,) row of the id embedding, -1 where none is known.

        Returns:
            (n, dim), zeros for an article of which nothing is known, and weights (n, modalities + 1) in the order of
            ``names``, summing to 1 over what an article has.
        """
        present = self._present(mask, id_rows)  # (n, modalities + 1)
        projected = [self._projected(i, vectors[m], present[:, i]) for i, m in enumerate(self.modalities)]
        flags = present.to(self.ids.weight.dtype)
        logits = self.gate(torch.cat([*projected, flags], dim=1)).masked_fill(~present, -torch.inf)
        weights = torch.softmax(logits.masked_fill(~present.any(1, keepdim=True), 0.0), dim=1) * flags
        known = self.ids(torch.where(present[:, -1], id_rows, self.config.ids))
        parts = torch.stack([*projected, known], dim=1)  # (n, modalities + 1, dim)
        return (weights[:, :, None] * parts).sum(dim=1), weights

    def _present(self, mask: dict[str, Tensor], id_rows: Tensor) -> Tensor:
        present = torch.stack([*(mask[name] for name in self.modalities), id_rows >= 0], dim=1)
        if not self.training:
            return present
        chances = [self.config.modality_dropout] * len(self.modalities) + [self.config.id_dropout]
        dropped = torch.rand(present.shape, device=present.device) < torch.tensor(chances, device=present.device)
        kept = present & ~dropped
        return torch.where(kept.any(1, keepdim=True), kept, present)  # never without the last thing that is known

    def _projected(self, number: int, vectors: Tensor, present: Tensor) -> Tensor:
        """(n, dim), zeros where the modality is missing, whatever stands in its vector."""
        clean = torch.where(present[:, None], vectors, self.get_buffer(f"mean_{number}"))
        standard = (clean - self.get_buffer(f"mean_{number}")) / self.get_buffer(f"scale_{number}")
        projected: Tensor = self.project[number](standard)
        return projected * present[:, None]
