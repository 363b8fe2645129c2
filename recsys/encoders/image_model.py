"""timm's models and their own preprocessing, with the packaged weights renamed to timm's keys."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from recsys.encoders.source import IMAGE_PACKAGE, Source, hub_commit, not_loaded

_EXACT_STAGES = 4  # of seven
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_PLAIN_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


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
    try:
        packaged = source.kind == "packaged"
        model = _packaged_model(source.location) if packaged else _timm_model(_timm_name(source), pretrained=True)
    except (OSError, ValueError, RuntimeError, LookupError, SafetensorError) as error:
        raise not_loaded(source.location, source.setting, error) from error
    if not classifier:
        model.reset_classifier(0)
    placed: nn.Module = model.eval().to(device).to(memory_format=torch.channels_last)
    if packaged:
        _keep_exact([model.conv_stem, model.bn1, *model.blocks[:_EXACT_STAGES]], device)
    return placed


def _timm_model(name: str, pretrained: bool) -> Any:
    import timm

    return timm.create_model(name, pretrained=pretrained).eval()


def _keep_exact(parts: list[Any], device: torch.device) -> None:
    """Excludes these parts from autocast.

    All in bfloat16, flat drawn pictures come out at a cosine of .95 to float32, since in them no noise averages out how
    the first layers' few weights are rounded. With four stages in float32 the least of 288 plain colours is .9992, and
    that costs little: these layers wait for memory, and their norms are folded.
    """
    for part in parts:
        part.forward = torch.autocast(device.type, enabled=False)(part.forward)


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


def _packaged_model(name: str) -> Any:
    weights = torch.load(IMAGE_PACKAGE.checked_weights(), map_location="cpu", weights_only=True)
    model = _timm_model(name, pretrained=False)
    model.load_state_dict(timm_keys(weights, [len(stage) for stage in model.blocks]), strict=True)
    _fold_norm(model, "conv_stem", "bn1")
    for stage in model.blocks[:_EXACT_STAGES]:
        _fold_norms(stage)
    return model


def _fold_norms(stage: Any) -> None:
    """Multiplies each batch norm into the convolution before it: the same function with a third less to compute."""
    layers = [name for name, layer in stage.named_modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(layers[::2], layers[1::2], strict=True):
        _fold_norm(stage, convolution, norm)


def _fold_norm(parent: Any, convolution: str, norm: str) -> None:
    normalised = parent.get_submodule(norm)
    parent.set_submodule(convolution, fuse_conv_bn_eval(parent.get_submodule(convolution), normalised))
    parent.set_submodule(norm, normalised.act)


def timm_keys(weights: dict[str, Tensor], blocks_by_stage: list[int]) -> dict[str, Tensor]:
    """The checkpoint's keys as timm has them: stages of blocks instead of one flat list, and other layer names."""
    places = [f"blocks.{stage}.{i}" for stage, count in enumerate(blocks_by_stage) for i in range(count)]
    expanding = {key.split(".")[1] for key in weights if "._expand_conv." in key}
    renamed = {}
    for key, tensor in weights.items():
        layer, _, rest = key.partition(".")
        if layer == "_blocks":
            block, layer, rest = rest.split(".", 2)
            names = _EXPANDING_BLOCK if block in expanding else _PLAIN_BLOCK
            renamed[f"{places[int(block)]}.{names[layer]}.{rest}"] = tensor
        else:
            renamed[f"{_OUTER[layer]}.{rest}"] = tensor
    return renamed
