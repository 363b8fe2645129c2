"""The encoders that the settings name, and their ids for those who only look vectors up."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from recsys.domain import Article, Modality
from recsys.encoders.contract import Encoder
from recsys.encoders.views import Viewed, ViewEncoder
from recsys.settings import Settings


def load_encoders(settings: Settings) -> list[Viewed]:
    """One encoder per modality that is on; each loads its model at the first call that needs it.

    Raises RecsysError when a named model or device cannot be had.
    """
    from recsys.encoders.image import ImageEncoder  # these import torch, and neither timm nor transformers
    from recsys.encoders.text import BodyEncoder, SummaryEncoder, TextEncoder, TitleEncoder
    from recsys.encoders.text_model import TextModel

    texts: dict[type[TextEncoder], str] = {
        TitleEncoder: settings.title_encoder,
        SummaryEncoder: settings.summary_encoder,
        BodyEncoder: settings.body_encoder,
    }
    models: dict[str, TextModel] = {}  # fields that are read with one model share its copy in memory
    for kind, name in texts.items():
        if name and name not in models:
            models[name] = TextModel(name, settings.device, setting=setting_of(kind.modality))
    encoders: list[Viewed] = [kind(models[name]) for kind, name in texts.items() if name]
    if settings.image_encoder:
        encoders.append(ImageEncoder(settings.image_encoder, settings.device, fetched=settings.fetched))
    return encoders


def with_views(encoders: Sequence[Viewed], views: int) -> list[Encoder]:
    """The encoders, and behind them so many augmented views of each."""
    return [*encoders, *(ViewEncoder(encoder, view) for view in range(1, views + 1) for encoder in encoders)]


def warm_up(encoder: Encoder) -> None:
    """Let it encode an article that says nothing, so that its model is in memory.

    Raises RecsysError when the model cannot be had.
    """
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "grey.png"
        Image.new("RGB", (64, 48), (128, 128, 128)).save(picture)
        encoder.encode([Article("-", title="-", summary="-", body="-", image=str(picture))])


def expected_ids(settings: Settings) -> dict[Modality, str]:
    """The encoder id of each modality under these settings on this host, without importing timm or transformers."""
    return {encoder.modality: encoder.encoder_id for encoder in load_encoders(settings)}


def setting_of(modality: Modality) -> str:
    """The variable that names the encoder of a modality."""
    return f"RECSYS_{modality.upper()}_ENCODER"
