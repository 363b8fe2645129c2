"""What all fusions share: standardised inputs, what is there and what training drops, and the contract."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BEHAVIOUR = "behaviour"  # the id embedding, as one more modality
SMALLEST = 1e-12
LEAST_SHARE = 1e-6  # so that what is there never has a weight of 0


@dataclass(frozen=True)
class FusionConfig:
    """Shape of the fusion and how much of an article it is made to do without while training."""

    dims: dict[str, int]  # modality -> length of its vectors
    ids: int  # articles with an id embedding
    dim: int = 64  # of the fused embedding
    gate: int = 32  # hidden units of the gate
    modality_dropout: float = 0.15
    id_dropout: float = 0.2  # 1: without ids, in training and ever after


class Fusion(nn.Module, ABC):
    """The contract: vectors by modality, a mask and id rows in; fused embeddings and the weight of each modality out.

    Every modality becomes a *part* of the same length, as is the id embedding; ``fuse`` makes one of the parts.
    Weights are in the order of ``names``. They are above 0 for what an article has, 0 for what it lacks, and sum to 1;
    each fusion says what its own mean.
    """

    blocks = 1  # stretches of the fused embedding that the user tower must keep apart

    def __init__(self, config: FusionConfig, part_dim: int) -> None:
        super().__init__()
        self.config = config
        self.modalities = tuple(sorted(config.dims))  # sorted: the order of a dict decides nothing
        self.names = (*self.modalities, BEHAVIOUR)
        self.project = nn.ModuleList([nn.Linear(config.dims[name], part_dim) for name in self.modalities])
        self.ids = nn.Embedding(config.ids + 1, part_dim)  # the last row stands for "none known", and stays zero
        nn.init.zeros_(self.ids.weight)
        for number, name in enumerate(self.modalities):
            self.register_buffer(f"mean_{number}", torch.zeros(config.dims[name]))
            self.register_buffer(f"scale_{number}", torch.ones(()))

    @abstractmethod
    def fuse(self, parts: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Fused embeddings (n, dim) and weights (n, modalities + 1), both zeros where nothing is present.

        Args:
            parts: (n, modalities + 1, part_dim), zeros where missing.
            present: (n, modalities + 1) bool.
        """

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
        width = self.ids.embedding_dim
        self.ids.weight[rows] = torch.randn(len(rows), width) / width**0.5

    def content_parameters(self) -> list[nn.Parameter]:
        """Parameters of the layers that read content; id embeddings and global weights are none of them."""
        layers = [module for module in self.modules() if isinstance(module, nn.Linear)]
        return [parameter for layer in layers for parameter in layer.parameters()]

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
        return self.fuse(*self.parts(vectors, mask, id_rows))

    def parts(self, vectors: dict[str, Tensor], mask: dict[str, Tensor], id_rows: Tensor) -> tuple[Tensor, Tensor]:
        """What ``fuse`` takes of such articles: a part that is zeroed and marked as missing is as if it never was."""
        present = self._present(mask, id_rows)  # (n, modalities + 1)
        projected = [self._projected(i, vectors[m], present[:, i]) for i, m in enumerate(self.modalities)]
        known = self.ids(torch.where(present[:, -1], id_rows, self.config.ids))
        return torch.stack([*projected, known], dim=1), present

    def _present(self, mask: dict[str, Tensor], id_rows: Tensor) -> Tensor:
        known = (id_rows >= 0) & (self.config.id_dropout < 1)
        present = torch.stack([*(mask[name] for name in self.modalities), known], dim=1)
        if not self.training:
            return present
        chances = [self.config.modality_dropout] * len(self.modalities) + [self.config.id_dropout]
        dropped = torch.rand(present.shape, device=present.device) < torch.tensor(chances, device=present.device)
        kept = present & ~dropped
        return torch.where(kept.any(1, keepdim=True), kept, present)  # never without the last thing that is known

    def _projected(self, number: int, vectors: Tensor, present: Tensor) -> Tensor:
        """(n, part_dim), zeros where the modality is missing, whatever stands in its vector."""
        mean: Tensor = getattr(self, f"mean_{number}")
        standard = (torch.where(present[:, None], vectors, mean) - mean) / getattr(self, f"scale_{number}")
        projected: Tensor = self.project[number](standard)
        return projected * present[:, None]


def softmax_over(logits: Tensor, present: Tensor) -> Tensor:
    """Softmax along the last axis over what is present; zeros where nothing is."""
    masked = logits.masked_fill(~present, -torch.inf).masked_fill(~present.any(-1, keepdim=True), 0.0)
    return torch.softmax(masked, dim=-1) * present


def shares(amounts: Tensor, present: Tensor) -> Tensor:
    """Amounts (n, k) from 0 up as shares of what is present: equal ones where all are 0, zeros where nothing is."""
    counted = (amounts + LEAST_SHARE) * present
    return counted / counted.sum(dim=1, keepdim=True).clamp(min=LEAST_SHARE)
