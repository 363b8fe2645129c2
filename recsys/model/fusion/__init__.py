"""Fusions: an article's modality vectors and its id embedding become one fused item embedding.

All follow one contract, ``Fusion`` in ``shared.py``. A further one is a class with a ``fuse`` of its own, a line in
``FUSIONS`` and its name in the setting.
"""

from collections.abc import Callable

from recsys.model.fusion.attention import AttentionFusion
from recsys.model.fusion.gated import GatedFusion
from recsys.model.fusion.late import LateFusion
from recsys.model.fusion.mlp import MlpFusion
from recsys.model.fusion.shared import BEHAVIOUR, Fusion, FusionConfig
from recsys.model.fusion.weighted import WeightedFusion

__all__ = ["BEHAVIOUR", "FUSIONS", "Fusion", "FusionConfig"]

FUSIONS: dict[str, Callable[[FusionConfig], Fusion]] = {
    "gated": GatedFusion,
    "weighted": WeightedFusion,
    "mlp": MlpFusion,
    "attention": AttentionFusion,
    "late": LateFusion,
}
