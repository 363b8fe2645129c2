"""Both encoders against a plain batched float32 loop over the same input, in the same run, per second of CPU."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import timm.data
import torch
import transformers
from PIL import Image

from recsys.domain import Article
from recsys.encoders.image import ImageEncoder
from recsys.encoders.source import TEXT_PACKAGE
from recsys.encoders.text import TitleEncoder

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Together with counting CPU seconds this keeps the comparison fair on a machine that is busy with other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def cpu_seconds(run: Callable[[], object], times: int = 2) -> float:
    """CPU seconds of the best of some runs, after one to warm up."""
    run()
    seconds = []
    for _ in range(times):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def test_titles_are_as_fast_as_a_plain_loop(title_encoder: TitleEncoder) -> None:
    rng = np.random.default_rng(0)
    vocabulary = ["storm", "council", "budget", "final", "rate", "police", "school", "harbour", "winter", "film"]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(6, 16))) for _ in range(512)]
    articles = [Article(str(i), title=text) for i, text in enumerate(texts)]
    folder = TEXT_PACKAGE.checked_weights().parent
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()

    def plain() -> None:
        for start in range(0, len(texts), 64):
            with torch.inference_mode():
                model(**tokenizer(texts[start : start + 64], padding=True, return_tensors="pt"))

    assert cpu_seconds(lambda: title_encoder.encode(articles)) < cpu_seconds(plain) / 0.8


def test_pictures_are_as_fast_as_a_plain_loop(
    image_encoder: ImageEncoder, photos: dict[str, Path], tmp_path: Path
) -> None:
    paths = []
    with Image.open(photos["china"]) as photo:
        for i in range(32):
            buffer = io.BytesIO()
            photo.resize((480, 320)).rotate(i).save(buffer, "JPEG", quality=88)
            paths.append(tmp_path / f"{i}.jpg")
            paths[-1].write_bytes(buffer.getvalue())
    articles = [Article(str(i), image=str(path)) for i, path in enumerate(paths)]
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))

    def plain() -> None:
        for start in range(0, len(paths), 16):
            pictures = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + 16]]
            with torch.inference_mode():
                model(torch.stack(pictures))

    assert cpu_seconds(lambda: image_encoder.encode(articles)) < cpu_seconds(plain) / 0.8
