"""The packaged image model: its checkpoint under timm's keys, and its first half rearranged to run faster on a CPU."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from recsys.encoders.source import IMAGE_PACKAGE
from recsys.settings import PACKAGED_IMAGE_ENCODER

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


def packaged_model(device: torch.device) -> Any:
    """tf_efficientnet_lite0 with its 1,000 classes, to be run in float32 or under autocast on ``device``.

    The function is the checkpoint's up to float rounding. Raises RecsysError when the package is absent or altered.
    """
    import timm

    weights = torch.load(IMAGE_PACKAGE.checked_weights(), map_location="cpu", weights_only=True)
    model: Any = timm.create_model(PACKAGED_IMAGE_ENCODER, pretrained=False).eval()
    model.load_state_dict(timm_keys(weights, [len(stage) for stage in model.blocks]), strict=True)
    _fold_norm(model, "conv_stem", "bn1")
    for stage in model.blocks[:_EXACT_STAGES]:
        _fold_norms(stage)
    _pad_in_place(model)
    _keep_exact([model.conv_stem, model.bn1, *model.blocks[:_EXACT_STAGES]], device)
    return model


def _fold_norms(stage: Any) -> None:
    """Multiplies each batch norm into the convolution before it: the same function in two thirds of the time."""
    layers = [name for name, layer in stage.named_modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(layers[::2], layers[1::2], strict=True):
        _fold_norm(stage, convolution, norm)


def _fold_norm(parent: Any, convolution: str, norm: str) -> None:
    normalised = parent.get_submodule(norm)
    parent.set_submodule(convolution, fuse_conv_bn_eval(parent.get_submodule(convolution), normalised))
    parent.set_submodule(norm, normalised.act)


def _pad_in_place(model: Any) -> None:
    """TensorFlow's uneven padding of the strided convolutions without copying the picture into a larger one each time.

    With stride 2 and an even side (as all are at 224 pixels) it pads one more behind than in front. An equal padding
    and a filter with a leading row and column of zeros compute the same; the copies took a fifth of the time.
    """
    import timm.layers

    layers: Any = timm.layers
    for name, same in [(name, layer) for name, layer in model.named_modules() if isinstance(layer, layers.Conv2dSame)]:
        size = same.kernel_size[0]
        even = nn.Conv2d(
            same.in_channels,
            same.out_channels,
            kernel_size=size + 1,
            stride=2,
            padding=size // 2,
            groups=same.groups,
            bias=same.bias is not None,
        )
        even.weight = nn.Parameter(nn.functional.pad(same.weight, (1, 0, 1, 0)), requires_grad=False)
        even.bias = same.bias
        model.set_submodule(name, even)


def _keep_exact(parts: list[Any], device: torch.device) -> None:
    """Excludes these parts from autocast.

    All in bfloat16, flat drawn pictures come out at a cosine of .95 to float32, since in them no noise averages out how
    the first layers' few weights are rounded. With four stages in float32 the least of 288 plain colours is .9992, and
    that costs little: these layers wait for memory more than for arithmetic.
    """
    for part in parts:
        part.forward = torch.autocast(device.type, enabled=False)(part.forward)


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
