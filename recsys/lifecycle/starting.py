"""Which version a training goes on from, or why it begins from scratch."""

from contextlib import suppress

from recsys.database import models
from recsys.database.session import Sessions
from recsys.domain import RecsysError
from recsys.lifecycle.gate import kept_back_after
from recsys.lifecycle.loading import OtherEncodersError, load_model
from recsys.pipeline.load import Dataset
from recsys.settings import Settings
from recsys.snapshots.snapshot import OtherVersionError
from recsys.training.warm import Start


def start_from(
    sessions: Sessions, settings: Settings, version: str | None, data: Dataset
) -> tuple[Start | None, str | None]:
    """The version to go on from with today's articles in its indexes, or why none can be or should be."""
    if version is None:
        return None, None
    with sessions() as session:
        worse = kept_back_after(models.versions(session), version)
    if worse is not None:
        return None, f"{worse}, which went on from {version}, was kept back as worse"
    try:
        model = load_model(sessions, settings, version, data)
    except (OtherEncodersError, OtherVersionError) as error:
        return None, str(error)
    before = (model.metrics.get("start") or {}).get("version")
    with suppress(RecsysError):  # it is of use, not needed, and its folder may have been deleted
        return Start(model, None if before is None else load_model(sessions, settings, before, data)), None
    return Start(model), None
