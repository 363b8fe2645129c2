"""Commands run in this process, or in one of their own, on a home of the test's."""

import os
from collections.abc import Iterator
from pathlib import Path

import made_world
import pytest
from cli_commands import Cli

from recsys.cli import output
from recsys.settings import Settings


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The program in an empty folder, with an empty home."""
    for name in [name for name in os.environ if name.startswith("RECSYS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")  # for commands in a process of their own
    monkeypatch.setattr(output.out, "width", 200)
    monkeypatch.setattr(output.err, "width", 200)
    return Cli(tmp_path / "home", monkeypatch, capsys)


@pytest.fixture
def site(cli: Cli) -> Iterator[Settings]:
    """The made world and its model as that home."""
    settings = made_world.plain_settings(cli.home)
    made_world.install(settings).kw["bind"].dispose()
    return settings
