"""The real packaged encoders, loaded once for the room, and pictures to give them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import skimage
import sklearn.datasets
import torch
from PIL import Image, ImageDraw

from recsys.encoders.image import ImageEncoder
from recsys.encoders.text import BodyEncoder, SummaryEncoder, TitleEncoder
from recsys.encoders.text_model import TextModel


@pytest.fixture(scope="session")
def text_model() -> TextModel:
    return TextModel(device="cpu")


@pytest.fixture(scope="session")
def exact_text_model() -> TextModel:
    return TextModel(device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def title_encoder(text_model: TextModel) -> TitleEncoder:
    return TitleEncoder(text_model)


@pytest.fixture(scope="session")
def summary_encoder(text_model: TextModel) -> SummaryEncoder:
    return SummaryEncoder(text_model)


@pytest.fixture(scope="session")
def body_encoder(text_model: TextModel) -> BodyEncoder:
    return BodyEncoder(text_model)


@pytest.fixture(scope="session")
def image_encoder() -> ImageEncoder:
    return ImageEncoder(device="cpu")


@pytest.fixture(scope="session")
def exact_title_encoder(exact_text_model: TextModel) -> TitleEncoder:
    return TitleEncoder(exact_text_model)


@pytest.fixture(scope="session")
def exact_body_encoder(exact_text_model: TextModel) -> BodyEncoder:
    return BodyEncoder(exact_text_model)


@pytest.fixture(scope="session")
def exact_image_encoder() -> ImageEncoder:
    return ImageEncoder(device="cpu", dtype=torch.float32)


@pytest.fixture(scope="session")
def photos() -> dict[str, Path]:
    """Photos that come inside the wheels of scikit-image and scikit-learn."""
    skimage_data = Path(skimage.__file__).parent / "data"
    sklearn_images = Path(sklearn.datasets.__file__).parent / "images"
    named = [skimage_data / f"{name}.png" for name in ("coffee", "chelsea", "motorcycle_left")]
    return {path.stem: path for path in [*named, sklearn_images / "china.jpg", sklearn_images / "flower.jpg"]}


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[int], Path]:
    """A flat drawn picture, another one for each number."""

    def drawn(number: int) -> Path:
        picture = Image.new("RGB", (320, 200), f"hsl({number * 67 % 360}, 60%, {30 + number * 13 % 50}%)")
        pen = ImageDraw.Draw(picture)
        for i in range(number % 5):
            left, top = (number * 31 + i * 70) % 220, (number * 17 + i * 45) % 120
            shape = pen.ellipse if i % 2 else pen.rectangle
            shape((left, top, left + 90, top + 70), fill=f"hsl({(number * 101 + i * 80) % 360}, 80%, 60%)")
        path = tmp_path / f"drawn_{number}.png"
        picture.save(path)
        return path

    return drawn
