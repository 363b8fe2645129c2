"""Running commands and reading what they say."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recsys.cli import main


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    """The program with the environment of one test."""

    home: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: object) -> Said:
        """One command, as the shell would run it."""
        self.monkeypatch.setattr(sys, "argv", ["recsys", *(str(argument) for argument in arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.capsys.readouterr()
        code = ended.value.code
        return Said(0 if code is None else int(code), said.out, said.err)

    def json(self, *arguments: object) -> Any:
        """The document of a command that succeeds; nothing else may stand on standard output."""
        said = self.run(*arguments, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)

    def fails(self, *arguments: object, code: int = 1) -> str:
        """What a command that fails says on standard error: for code 1 a sentence, and never a traceback."""
        said = self.run(*arguments)
        assert said.code == code, said
        assert "Traceback" not in said.err
        if code == 1:
            assert said.out == ""
            *_, last = said.err.splitlines()  # below the bars of what was done until then
            assert last.startswith("error: ")
            return last
        return said.err
