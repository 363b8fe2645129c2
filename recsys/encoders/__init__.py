"""One article in, one vector per modality out: titles by transformers, pictures by timm."""

from recsys.encoders.contract import BoolArray, Encoder, FloatArray, Status
from recsys.encoders.load import expected_ids, load_encoders
from recsys.encoders.words import UNKNOWN_LIMIT, language_warnings

__all__ = [
    "UNKNOWN_LIMIT",
    "BoolArray",
    "Encoder",
    "FloatArray",
    "Status",
    "expected_ids",
    "language_warnings",
    "load_encoders",
]
