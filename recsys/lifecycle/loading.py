"""A version's model with the articles of today in its indexes, as far as it fits the settings of today."""

from recsys.database import articles
from recsys.database.session import Sessions
from recsys.domain import RecsysError
from recsys.encoders import expected_ids, setting_of
from recsys.pipeline.content import changed_encoders
from recsys.pipeline.load import Dataset
from recsys.pipeline.model import Model
from recsys.settings import Settings
from recsys.snapshots.manifest import Manifest
from recsys.snapshots.snapshot import check_snapshot, read_snapshot


class OtherEncodersError(RecsysError):
    """A model and the settings name different encoders."""


def load_model(sessions: Sessions, settings: Settings, version: str, data: Dataset) -> Model:
    """Read a version's snapshot, and index the articles as they are now: some came, and some changed, after it.

    Raises:
        RecsysError: when the snapshot is damaged, or made with other encoders than the settings name.
    """
    with sessions() as session:
        model = read_snapshot(settings.snapshots / version, lambda ids: articles.keys_of(session, ids))
    check_encoders(model, settings)
    model.views.put(data.content, data.catalogue.present)
    return model


def check_version(settings: Settings, version: str) -> Manifest:
    """Make sure that a version can be served, in a fraction of the time that reading it takes.

    Raises:
        RecsysError: when its snapshot is damaged, or made with other encoders than the settings name.
    """
    manifest = check_snapshot(settings.snapshots / version)
    check_encoders(manifest, settings)
    return manifest


def check_encoders(model: Model | Manifest, settings: Settings) -> None:
    """Refuse a model whose vectors are not made any more, since the settings name other encoders.

    Encoders that the settings merely add do it no harm: it goes on without that modality until the next training.

    Raises:
        OtherEncodersError: when the encoder of a modality that the model reads was changed or taken away.
    """
    expected = expected_ids(settings)
    changed = changed_encoders(model.encoders, expected)
    if changed:
        raise OtherEncodersError(
            f"Model {model.version} was trained with {', '.join(model.encoders[name] for name in changed)}, the "
            f"settings name {', '.join(expected.get(name, f'none for the {name}') for name in changed)}: "
            f"restore {' and '.join(setting_of(name) for name in changed)}, or train again."
        )
