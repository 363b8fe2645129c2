"""Pictures: the features are the reference model's, in both number types, and other timm models work too."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import timm.data
import torch
from PIL import Image

from recsys.domain import Article, RecsysError
from recsys.encoders.image import ImageEncoder
from recsys.encoders.image_model import build_model, preprocessing
from recsys.encoders.packaged_image import timm_keys
from recsys.encoders.pictures import decode
from recsys.encoders.source import IMAGE_PACKAGE, image_source

# The five highest ImageNet logits of timm's unchanged tf_efficientnet_lite0 in float32 under timm's own transform.
# Another variant of the model or another normalisation moves each photo's by .4 to 3.
REFERENCE = {
    "coffee": {967: 11.412, 968: 7.270, 925: 6.566, 960: 5.958, 504: 5.772},  # espresso, cup, ...
    "chelsea": {282: 9.236, 285: 9.138, 281: 8.395, 287: 5.923, 904: 3.411},  # three kinds of cat, lynx, ...
    "motorcycle_left": {665: 8.074, 670: 6.578, 535: 6.113, 518: 5.725, 671: 3.935},  # moped, motor scooter, ...
    "china": {698: 7.486, 442: 6.923, 663: 5.986, 975: 5.824, 449: 5.484},  # palace, bell cote, ...
    "flower": {985: 7.448, 309: 5.741, 947: 5.472, 108: 5.396, 310: 5.028},  # daisy, bee, ...
}


def pictured(*paths: Path) -> list[Article]:
    return [Article(str(i), image=str(path)) for i, path in enumerate(paths)]


def test_the_id_names_model_weights_steps_and_number_type(exact_image_encoder: ImageEncoder) -> None:
    assert exact_image_encoder.encoder_id == "tf_efficientnet_lite0@57934424:timm-v1:fp32"
    assert exact_image_encoder.dim == 1280


@pytest.mark.parametrize("name", REFERENCE)
def test_features_give_the_reference_logits(
    name: str, exact_image_encoder: ImageEncoder, photos: dict[str, Path]
) -> None:
    """The checkpoint's own last layer, applied to our features, sees what is in the photo."""
    weights = torch.load(IMAGE_PACKAGE.checked_weights(), weights_only=True)
    features, _ = exact_image_encoder.encode(pictured(photos[name]))
    logits = features[0] @ weights["_fc.weight"].numpy().T + weights["_fc.bias"].numpy()
    wanted = REFERENCE[name]
    assert int(logits.argmax()) == next(iter(wanted))
    np.testing.assert_allclose(logits[list(wanted)], list(wanted.values()), atol=0.03)


def test_the_classifier_gives_the_reference_logits(photos: dict[str, Path]) -> None:
    model = build_model(image_source("tf_efficientnet_lite0"), torch.device("cpu"), classifier=True)
    steps = preprocessing(model)
    pixels = [steps.pixels(decode(photos[name].read_bytes(), steps.side)) for name in REFERENCE]
    with torch.inference_mode():
        logits = model(steps.inputs(pixels))
    assert logits.shape == (len(REFERENCE), 1000)
    for row, wanted in zip(logits, REFERENCE.values(), strict=True):
        np.testing.assert_allclose(row[list(wanted)], list(wanted.values()), atol=0.03)


@pytest.mark.parametrize("mistake", ["variant", "normalisation"])
def test_the_reference_would_notice(mistake: str, photos: dict[str, Path]) -> None:
    """Plain efficientnet_lite0 takes the same weights, strictly, and sees something else; so does another mean."""
    weights = torch.load(IMAGE_PACKAGE.checked_weights(), weights_only=True)
    wrong = timm.create_model("efficientnet_lite0" if mistake == "variant" else "tf_efficientnet_lite0").eval()
    wrong.load_state_dict(timm_keys(weights, [len(stage) for stage in wrong.blocks]), strict=True)
    steps = preprocessing(timm.create_model("tf_efficientnet_lite0"))
    if mistake == "normalisation":
        steps = replace(steps, mean=(0.485, 0.456, 0.406))
    for name, wanted in REFERENCE.items():
        with torch.inference_mode():
            logits = wrong(steps.inputs([steps.pixels(decode(photos[name].read_bytes(), steps.side))]))[0]
        assert np.abs(logits[list(wanted)].numpy() - list(wanted.values())).max() > 0.1


def test_preprocessing_is_timm_s_own(photos: dict[str, Path], exact_image_encoder: ImageEncoder) -> None:
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    theirs = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    steps = preprocessing(model)
    for path in photos.values():
        with Image.open(path) as picture:
            wanted = theirs(picture.convert("RGB"))
        ours = steps.inputs([steps.pixels(decode(path.read_bytes(), steps.side))])
        torch.testing.assert_close(ours[0], wanted, atol=1e-5, rtol=0)


def test_bfloat16_keeps_the_direction(
    exact_image_encoder: ImageEncoder, photos: dict[str, Path], draw: Callable[[int], Path]
) -> None:
    """On photos, and on flat drawings where rounding errors don't average out."""
    articles = pictured(*photos.values(), *(draw(number) for number in range(25)))
    exact, _ = exact_image_encoder.encode(articles)
    rounded, _ = ImageEncoder(device="cpu", dtype=torch.bfloat16).encode(articles)
    cosines = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosines.min() >= 0.999
    assert not np.array_equal(exact, rounded)


def test_damaged_weights_are_refused(monkeypatch: pytest.MonkeyPatch, photos: dict[str, Path]) -> None:
    monkeypatch.setattr("recsys.encoders.packaged_image.IMAGE_PACKAGE", replace(IMAGE_PACKAGE, sha256="0" * 64))
    with pytest.raises(RecsysError, match="reinstall"):
        ImageEncoder(device="cpu").encode(pictured(photos["china"]))


def test_another_timm_model_in_a_folder(tmp_path: Path, photos: dict[str, Path]) -> None:
    torch.manual_seed(0)
    model = timm.create_model("mobilenetv3_small_050", pretrained=False).eval()
    timm.models.save_for_hf(model, tmp_path, model_config={"input_size": [3, 64, 64], "num_classes": 1000})
    encoder = ImageEncoder(str(tmp_path), device="cpu", dtype=torch.float32)
    vectors, mask = encoder.encode(pictured(photos["china"], photos["flower"]))
    assert mask.all()
    assert vectors.shape == (2, encoder.dim)
    assert encoder.encoder_id.startswith(f"{tmp_path.name}@")
    rounded, _ = ImageEncoder(str(tmp_path), device="cpu", dtype=torch.bfloat16).encode(pictured(photos["china"]))
    assert rounded.shape == (1, encoder.dim)


def test_a_folder_without_a_model_is_explained(tmp_path: Path, photos: dict[str, Path]) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecsysError, match="RECSYS_IMAGE_ENCODER"):
        ImageEncoder(str(tmp_path)).encode(pictured(photos["china"]))
