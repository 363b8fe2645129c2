"""The encoders that the settings name, and their ids for those who only look vectors up."""

from recsys.domain import Modality
from recsys.encoders.contract import Encoder
from recsys.encoders.source import IMAGE_STEPS, TITLE_STEPS, image_source, title_source
from recsys.settings import Settings


def load_encoders(settings: Settings) -> list[Encoder]:
    """One encoder per modality; each loads its model at the first call that needs it.

    Raises RecsysError when a named model or device cannot be had.
    """
    from recsys.encoders.image import ImageEncoder  # these import torch
    from recsys.encoders.title import TitleEncoder

    return [
        TitleEncoder(settings.title_encoder, device=settings.device),
        ImageEncoder(settings.image_encoder, device=settings.device),
    ]


def expected_ids(settings: Settings) -> dict[Modality, str]:
    """The encoder id of each modality under these settings on this host, without importing timm or transformers."""
    from recsys.encoders.device import DTYPE_NAMES, choose_device, choose_dtype

    dtype = DTYPE_NAMES[choose_dtype(choose_device(settings.device))]
    return {
        "title": title_source(settings.title_encoder).encoder_id(TITLE_STEPS, dtype),
        "image": image_source(settings.image_encoder).encoder_id(IMAGE_STEPS, dtype),
    }
