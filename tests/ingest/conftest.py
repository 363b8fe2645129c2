"""A second database beside the one of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.database.session import Sessions, open_sessions, upgrade
from recsys.settings import Settings


@pytest.fixture
def other_sessions(tmp_path: Path) -> Iterator[Sessions]:
    """Another empty database, to compare with."""
    settings = Settings(home=tmp_path / "other", _env_file=None)
    upgrade(settings)
    opened = open_sessions(settings)
    yield opened
    opened.kw["bind"].dispose()
