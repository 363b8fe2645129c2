"""What every encoder promises: which articles it can read, and one raw vector for each of those."""

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from recsys.domain import Article, Modality

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Status = Literal["ok", "missing", "broken"]


class Encoder(Protocol):
    """Articles -> raw vectors of one modality; pure, nothing is cached or written.

    The model itself is loaded at the first call that needs it: the id, hashes and statuses cost no model.
    """

    @property
    def modality(self) -> Modality:
        """The modality of its vectors: "title", "summary", "body" or "image"."""

    @property
    def encoder_id(self) -> str:
        """Model, version of its weights, preprocessing and number type; vectors of one id are comparable."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    def content_hash(self, article: Article) -> str | None:
        """sha256 (hex) of the bytes that would be encoded; None when there are none.

        A picture that turns out broken has a hash all the same, since only decoding it shows that.
        """

    def status(self, article: Article) -> Status:
        """Whether the article has this modality; "broken": it is there and cannot be read."""

    def encode(self, articles: list[Article]) -> tuple[FloatArray, BoolArray]:
        """Vectors (n, dim) and a mask (n,) in the order given; False marks rows of zeros: missing or broken.

        Raises RecsysError when the model cannot be loaded.
        """
