"""Runs every check of the project, one after the other, and says how long each took."""

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CONSOLE = Console(width=80)


@dataclass(frozen=True)
class Check:
    """One command of the environment that runs this script, and the seconds that it should take on two cores."""

    name: str
    command: str
    budget: int
    environment: dict[str, str] = field(default_factory=dict)


LINT = (
    Check("style", "ruff check .", 5),
    Check("format", "ruff format --check .", 5),
    Check("types", "mypy", 90),
    Check("imports", "lint-imports", 10),
    Check("docs", "mkdocs build --strict --quiet --site-dir {folder}/site", 30, {"NO_MKDOCS_2_WARNING": "1"}),
)
TESTS = (
    # Coverage cannot see into what numba compiles, so the tests of the fold also run as plain Python.
    Check("fold, plain", "pytest -m 'not slow' tests/features --cov --cov-report=", 60, {"NUMBA_DISABLE_JIT": "1"}),
    # Two processes for two cores; tests of one file stay together, since they share what is slow to make.
    Check(
        "tests",
        "pytest -n 2 --dist loadfile --cov --cov-append --cov-report=term:skip-covered --cov-fail-under=90",
        900,
    ),
)


def main(arguments: Sequence[str]) -> int:
    """Run the checks and return the exit code: 1 when one failed, whatever the others said."""
    checks = LINT if "--lint" in arguments else LINT + TESTS
    with tempfile.TemporaryDirectory() as folder:
        results = [run(check, Path(folder)) for check in checks]
    CONSOLE.print(table(checks, results))
    return int(any(code != 0 for code, _ in results))


def run(check: Check, folder: Path) -> tuple[int, float]:
    """Exit code and seconds of one check, which may write to ``folder``; what it prints goes straight through."""
    CONSOLE.rule(check.name)
    program, *arguments = shlex.split(check.command.format(folder=folder))
    environment = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage", **check.environment}
    started = time.monotonic()
    done = subprocess.run([BIN / program, *arguments], cwd=ROOT, check=False, env=environment)
    return done.returncode, time.monotonic() - started


def table(checks: Sequence[Check], results: Sequence[tuple[int, float]]) -> Table:
    """What passed, in how many seconds of how many that it may take."""
    made = Table("check", "result")
    made.add_column("seconds", justify="right")
    made.add_column("budget", justify="right")
    for check, (code, seconds) in zip(checks, results, strict=True):
        result = "failed" if code else "passed" if seconds <= check.budget else "passed, over budget"
        made.add_row(check.name, result, f"{seconds:.1f}", str(check.budget))
    made.add_row("all", "", f"{sum(seconds for _, seconds in results):.1f}", str(sum(c.budget for c in checks)))
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
