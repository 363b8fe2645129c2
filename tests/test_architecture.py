"""The floors of the house, and what starts quickly because it leaves the slow libraries alone."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))


def imported(*command: str | Path) -> set[str]:
    """Top-level names of everything that a Python command imports."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}  # it imports too
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=ROOT, env=plain, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.split("|")[-1].strip().split(".")[0] for line in lines}


def test_rooms_import_downwards_only():
    done = subprocess.run(
        [SCRIPTS / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_command_imports_is_seen():
    assert "decimal" in imported("-c", "import decimal")
    assert "decimal" not in imported("-c", "")


def test_help_comes_without_the_slow_libraries():
    seen = imported(SCRIPTS / "recsys", "--help")
    assert "recsys" in seen
    assert not seen & {"torch", "torchvision", "timm", "transformers"}


def test_the_api_never_loads_the_encoders_libraries():
    seen = imported("-c", "import api.app")
    assert "fastapi" in seen
    assert not seen & {"timm", "transformers"}
