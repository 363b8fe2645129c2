"""Snapshot folders that a kill left without a row are cleared away, and no others."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recsys.database import models
from recsys.database.session import Sessions, writing
from recsys.lifecycle.unrecorded import clear_unrecorded, marked
from recsys.settings import Settings

KILLED = """
import os, signal, sys
from pathlib import Path
from recsys.lifecycle.unrecorded import marked
from recsys.settings import Settings
settings = Settings(home=Path(sys.argv[1]), _env_file=None)
with marked(settings, "killed"):
    (settings.snapshots / "killed").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.snapshots.iterdir())


def record(sessions: Sessions, version: str) -> None:
    with writing(sessions) as session:
        models.add_version(session, version=version, at=1.0, since=None, until=None, metrics={})


def kill(settings: Settings) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, str(settings.home)], env={**os.environ, "RECSYS_HOME": ""})
    assert process.returncode == -signal.SIGKILL
    assert names(settings) == [".killed.unrecorded", "killed"]


def test_what_a_kill_left_is_cleared_away(settings: Settings, sessions: Sessions) -> None:
    kill(settings)
    (settings.snapshots / "by hand").mkdir()
    assert clear_unrecorded(sessions, settings) == ["killed"]
    assert names(settings) == ["by hand"]


def test_what_was_recorded_stays(settings: Settings, sessions: Sessions) -> None:
    kill(settings)
    record(sessions, "killed")
    assert clear_unrecorded(sessions, settings) == []
    assert names(settings) == ["killed"]


def test_what_another_process_is_about_to_record_stays(settings: Settings, sessions: Sessions) -> None:
    with marked(settings, "new"):
        (settings.snapshots / "new").mkdir()
        assert clear_unrecorded(sessions, settings) == []
        record(sessions, "new")
    assert names(settings) == ["new"]


def test_what_another_database_is_to_list_stays(settings: Settings, sessions: Sessions, tmp_path: Path) -> None:
    kill(settings)
    other = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'other.db'}"})
    assert clear_unrecorded(sessions, other) == []
    assert "killed" in names(settings)


def test_a_failure_leaves_no_mark_where_it_leaves_no_folder(settings: Settings, sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="full"), marked(settings, "new"):
        raise ValueError("full")
    assert names(settings) == []
    (settings.snapshots / "half").mkdir()
    with pytest.raises(ValueError, match="away"), marked(settings, "half"):
        raise ValueError("the database is away")
    assert names(settings) == [".half.unrecorded", "half"]
    assert clear_unrecorded(sessions, settings) == ["half"]
