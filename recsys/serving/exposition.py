"""The metrics of all workers in Prometheus's format.

With several workers each writes its values to files in one folder (prometheus_client's multiprocess mode), and
whichever is asked reads all of them.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from recsys.processes import is_alive

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own variable; it looks there when it is imported


@contextmanager
def shared_folder(workers: int) -> Iterator[None]:
    """Where the processes that are started inside share their values; nothing where there is but one worker.

    A folder that the environment names already, such as gunicorn's, is used and left alone.
    """
    if workers == 1 or os.environ.get(FOLDER):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="recsys-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def exposed(own: Collector, accept: str | None) -> tuple[bytes, str]:
    """The metrics as a body and its media type, by what the scraper accepts.

    ``own`` is what the answering process tells alone: figures that come out of the database, alike for all.
    """
    registry, folder = CollectorRegistry(), os.environ.get(FOLDER)
    if folder:
        _forget_the_dead(Path(folder))
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(own)
    encoder, media_type = choose_encoder(accept or "")
    return encoder(registry), media_type


def _forget_the_dead(folder: Path) -> None:
    """A dead worker's gauges say nothing any more; what it counted stays in the sums."""
    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if not is_alive(int(pid)):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
