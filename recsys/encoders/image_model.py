"""timm's models with their pretrained weights, and the preprocessing that timm states for each."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from recsys.encoders.packaged_image import packaged_model
from recsys.encoders.source import Source, hub_commit, not_loaded


@dataclass(frozen=True)
class Preprocessing:
    """What timm's configuration of a model asks of a picture: resize and crop, then centre and scale."""

    size: tuple[int, int]
    side: int  # the short side that a picture is resized to, before the crop
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_and_crop: Callable[[Image.Image], Any]

    def pixels(self, picture: Image.Image) -> Tensor:
        """An RGB picture -> uint8 (3, height, width), without arithmetic: that would start torch's threads too."""
        return torch.as_tensor(self.resize_and_crop(picture))

    def inputs(self, pixels: list[Tensor]) -> Tensor:
        """Pixels of several pictures -> float32 (batch, 3, height, width), as the model was trained."""
        mean, std = (torch.tensor(three).view(3, 1, 1) * 255 for three in (self.mean, self.std))
        return (torch.stack(pixels).float() - mean) / std


def preprocessing(model: nn.Module) -> Preprocessing:
    """The evaluation steps of timm's own configuration for this model."""
    import timm.data

    data: Any = timm.data
    config = data.resolve_data_config({}, model=model)
    height, width = config["input_size"][1:]
    side = ceil(max(height, width) / config["crop_pct"])
    steps = data.create_transform(**config, use_prefetcher=True)  # ends in uint8: we scale whole batches
    return Preprocessing((height, width), side, config["mean"], config["std"], steps)


def build_model(source: Source, device: torch.device, classifier: bool = False) -> nn.Module:
    """The model on its device, in float32, ending in pooled features, or in its class logits with ``classifier``.

    To be run under ``torch.autocast`` for lower precision. Raises RecsysError when the weights cannot be had.
    """
    import timm

    try:
        model: Any = (
            packaged_model(device)
            if source.kind == "packaged"
            else timm.create_model(_timm_name(source), pretrained=True)
        )
    except (OSError, ValueError, RuntimeError, LookupError, SafetensorError) as error:
        raise not_loaded(source.location, source.setting, error) from error
    if not classifier:
        model.reset_classifier(0)
    placed: nn.Module = model.eval().to(device).to(memory_format=torch.channels_last)
    return placed


def _timm_name(source: Source) -> str:
    """The name under which timm finds the source; a hub that cannot be reached is found out here, at once."""
    import timm

    if source.kind == "folder":
        return f"local-dir:{source.location}"
    if source.kind == "hub":
        return f"hf-hub:{source.location}@{source.commit}"
    config = timm.get_pretrained_cfg(source.location)
    if config is None:
        raise ValueError("timm knows no pretrained model of this name")
    if config.hf_hub_id:
        hub_commit(config.hf_hub_id, None, source.setting, probe="model.safetensors")
    return source.location
