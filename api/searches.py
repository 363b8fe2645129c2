"""What a search looks for, as vectors: encoders of the API's own, whose models are loaded when somebody searches."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from api.admission import Admission
from recsys.domain import Article, Modality, NotPossibleError
from recsys.encoders import Encoder, load_encoders, setting_of
from recsys.ingest.pictures import located
from recsys.pipeline.content import Content
from recsys.settings import Settings

AT_ONCE = 1  # a model must not be loaded twice
MOST_WAITING = 16


class Searches:
    """Text and pictures as the encoders of the settings see them."""

    def __init__(self, settings: Settings) -> None:
        self._encoders: dict[Modality, Encoder] = {encoder.modality: encoder for encoder in load_encoders(settings)}
        self.admission = Admission(AT_ONCE, MOST_WAITING)  # of its own: no answer waits while models are loaded

    def content(self, text: str | None, picture: str | None, known: Mapping[Modality, str]) -> Content:
        """Raw vectors of what is looked for, one row by modality; a picture is a ``data:`` URI.

        Raises:
            NotPossibleError: when the model, which was trained with the encoders ``known``, cannot compare by it.
            RecsysError: when an encoder's model cannot be loaded.
        """
        asked = [name for name, given in (("title", text), ("image", picture)) if given is not None]
        encoders = [self._encoder(name, known) for name in asked]
        with TemporaryDirectory() as folder:
            image = None if picture is None else located(picture, Path(folder), Path(folder))
            made = [encoder.encode([Article("-", title=text, image=image)]) for encoder in encoders]
        vectors = {name: found for name, (found, _) in zip(asked, made, strict=True)}
        return Content(vectors, {name: mask for name, (_, mask) in zip(asked, made, strict=True)})

    def _encoder(self, name: Modality, known: Mapping[Modality, str]) -> Encoder:
        encoder = self._encoders.get(name)
        if encoder is None or name not in known:
            raise NotPossibleError(f"Nothing can be found by {name} here: the live model was trained without it.")
        if known[name] != encoder.encoder_id:
            raise NotPossibleError(
                f"Nothing can be found by {name} now: the live model was trained with {known[name]}, and this server "
                f"would read with {encoder.encoder_id}: see {setting_of(name)}."
            )
        return encoder
