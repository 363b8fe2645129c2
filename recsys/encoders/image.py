"""Pictures -> feature vectors by any timm model, decoded in threads while the model runs."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recsys.domain import Article
from recsys.encoders.contract import BoolArray, FloatArray, Status
from recsys.encoders.device import DTYPE_NAMES, choose_device, choose_dtype
from recsys.encoders.fetched import NOWHERE, Fetched
from recsys.encoders.image_model import Preprocessing, build_model, preprocessing
from recsys.encoders.pictures import BrokenPictureError, decode, quiet_pillow, read_bytes, varied
from recsys.encoders.source import IMAGE_STEPS, image_source
from recsys.encoders.views import chance_of
from recsys.settings import PACKAGED_IMAGE_ENCODER

_PACKAGED_DIM = 1280
_BATCH_SIZES = {"cpu": 16, "cuda": 64}
_DECODERS = 2  # threads; decoding takes a sixth of the model's time, so more would only wait


class ImageEncoder:
    """The picture of an article -> the model's pooled features, not normalised.

    ``Article.image`` is the path of a local file, or an http(s) address. Encoders never fetch: the picture at an
    address counts as missing until it was put among the fetched ones.
    """

    modality = "image"

    def __init__(
        self,
        name: str = PACKAGED_IMAGE_ENCODER,
        device: str = "auto",
        dtype: torch.dtype | None = None,
        batch_size: int | None = None,
        fetched: Path = NOWHERE,
    ) -> None:
        """``name``: the packaged model, a timm name, a local folder, or ``owner/model[@revision]`` of the hub."""
        self._fetched = Fetched(fetched)
        self._source = image_source(name)
        self._device = choose_device(device)
        self._dtype = dtype or choose_dtype(self._device)
        self._batch_size = batch_size or _BATCH_SIZES[self._device.type]
        self.encoder_id = self._source.encoder_id(IMAGE_STEPS, DTYPE_NAMES[self._dtype])

    @cached_property
    def dim(self) -> int:
        """Length of a vector: 1280 for the packaged model."""
        if self._source.kind == "packaged":
            return _PACKAGED_DIM
        return int(self._features(torch.zeros(1, 3, *self._preprocessing.size)).shape[1])

    def content_hash(self, article: Article) -> str | None:
        """sha256 of the file's bytes; None without a file that can be read. A damaged picture has a hash too."""
        path = self._fetched.file(article.image)
        try:
            return None if path is None else _hash(read_bytes(path))
        except BrokenPictureError:
            return None

    def status(self, article: Article) -> Status:
        """Whether there is a picture, and whether it can be read: this decodes it."""
        path = self._fetched.file(article.image)
        if path is None:
            return "missing"
        try:
            with quiet_pillow():
                decode(read_bytes(path))
        except BrokenPictureError:
            return "broken"
        return "ok"

    def encode(self, articles: list[Article], view: int = 0) -> tuple[FloatArray, BoolArray]:
        """Features (n, dim) of the pictures and a mask (n,); rows without a readable picture are zeros.

        A ``view`` from 1 on is a part of each picture, at times in the mirror; another one in each view.
        """
        mask = np.zeros(len(articles), np.bool_)
        vectors = np.zeros((len(articles), self.dim), np.float32)
        if not any(self._fetched.file(article.image) for article in articles):
            return vectors, mask  # without loading the model
        with quiet_pillow():
            for start, pixels in self._decoded_batches(articles, view):
                found = [(start + i, tensor) for i, tensor in enumerate(pixels) if tensor is not None]
                if found:
                    rows, tensors = map(list, zip(*found, strict=True))
                    vectors[rows] = self._features(self._preprocessing.inputs(tensors)).cpu().numpy()
                    mask[rows] = True
        return vectors, mask

    @cached_property
    def _model(self) -> nn.Module:
        return build_model(self._source, self._device)

    @cached_property
    def _preprocessing(self) -> Preprocessing:
        return preprocessing(self._model)

    def _features(self, pictures: Tensor) -> Tensor:
        """Pictures (batch, 3, height, width) -> float32 features (batch, dim)."""
        low = self._dtype != torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, self._dtype, enabled=low):
            features: Tensor = self._model(pictures.to(self._device, memory_format=torch.channels_last))
            return features.float()

    def _decoded_batches(self, articles: list[Article], view: int) -> Iterator[tuple[int, list[Tensor | None]]]:
        """The position of each batch and its pixels; the next batch is being decoded while one is used."""
        size = self._batch_size
        read = partial(_pixels, self._preprocessing, self._fetched, view)
        with ThreadPoolExecutor(_DECODERS) as threads:
            coming = threads.map(read, articles[:size])
            for start in range(0, len(articles), size):
                ready = list(coming)
                coming = threads.map(read, articles[start + size : start + 2 * size])
                yield start, ready


def _pixels(steps: Preprocessing, fetched: Fetched, view: int, article: Article) -> Tensor | None:
    """uint8 (3, height, width); None when the picture is missing or broken."""
    path = fetched.file(article.image)
    if path is None:
        return None
    try:
        data = read_bytes(path)
        picture = decode(data, steps.side)
    except BrokenPictureError:
        return None
    return steps.pixels(varied(picture, chance_of(_hash(data), view)) if view else picture)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
