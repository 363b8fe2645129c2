"""Fusions with random weights, and vectors of made articles for them."""

import torch
from torch import Tensor, nn

from recsys.model.fusion import FUSIONS, Fusion, FusionConfig

N, IDS, DIM = 12, 5, 32
DIMS = {"title": 10, "image": 6}

Inputs = tuple[dict[str, Tensor], dict[str, Tensor], Tensor]


def inputs(dims: dict[str, int] = DIMS, n: int = N, seed: int = 0) -> Inputs:
    """Vectors, mask and id rows; every article has something, and everything is missing from some."""
    generator = torch.Generator().manual_seed(seed)
    vectors = {name: torch.randn(n, dim, generator=generator) + 1.0 for name, dim in sorted(dims.items())}
    mask = {name: torch.arange(n) % (len(dims) + 2) != number for number, name in enumerate(sorted(dims))}
    id_rows = torch.arange(n) % IDS
    id_rows[torch.arange(n) % (len(dims) + 2) == len(dims)] = -1
    return vectors, mask, id_rows


def made(name: str, dims: dict[str, int] = DIMS, *, standardised: bool = True, **options: float) -> Fusion:
    """A fusion in evaluation, none of whose parameters is where it began; always the same one."""
    torch.manual_seed(1)
    fusion = FUSIONS[name](FusionConfig(dims, IDS, DIM, **options)).eval()  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    for parameter in fusion.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    nn.init.zeros_(fusion.ids.weight[-1].data)
    if standardised:
        fusion.standardise(*inputs(dims, n=200)[:2])
    return fusion


def all_there(fusion: Fusion, n: int = N) -> Inputs:
    """Articles that lack nothing."""
    vectors, mask, id_rows = inputs(fusion.config.dims, n)
    return vectors, {name: torch.ones_like(known) for name, known in mask.items()}, id_rows.clamp(min=0)
