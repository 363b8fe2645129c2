"""One article in, one vector per modality out: texts by transformers, pictures by timm."""

from recsys.encoders.contract import BoolArray, Encoder, FloatArray, Status
from recsys.encoders.load import expected_ids, load_encoders, setting_of, warm_up, with_views
from recsys.encoders.views import Viewed, ViewEncoder, view_id
from recsys.encoders.words import UNKNOWN_LIMIT, language_warnings

__all__ = [
    "UNKNOWN_LIMIT",
    "BoolArray",
    "Encoder",
    "FloatArray",
    "Status",
    "ViewEncoder",
    "Viewed",
    "expected_ids",
    "language_warnings",
    "load_encoders",
    "setting_of",
    "view_id",
    "warm_up",
    "with_views",
]
