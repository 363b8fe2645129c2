"""The wheel: built, installed without this checkout, and at work in another folder."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, with nobody's settings in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RECSYS_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel in it; the libraries are borrowed from this environment.

    A folder named in a .pth file lends its packages but not its own .pth files, so the checkout stays out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    places = sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})
    Path(places["purelib"], "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    python = Path(places["scripts"], "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps"]
    run(*pip, "--ignore-installed", wheel, cwd=folder)
    return python.parent


def test_the_wheel_carries_the_api_the_migrations_and_the_sample(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for source, inside in (
        ("recsys", "recsys"),
        ("api", "api"),
        ("migrations", "recsys/_bundled/migrations"),
        ("data/sample", "recsys/_bundled/sample"),
    ):
        files = [path.relative_to(ROOT / source) for path in (ROOT / source).rglob("*") if path.is_file()]
        wanted = {f"{inside}/{path.as_posix()}" for path in files if "__pycache__" not in path.parts}
        assert wanted, f"{source} is empty"
        assert wanted <= set(names)


def test_the_wheel_carries_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"recsys", "api"}
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_it_runs_from_the_wheel_and_not_from_the_checkout(installed, tmp_path):
    where = "import recsys, api; print(recsys.__file__); print(api.__path__[0])"
    for line in run(installed / "python", "-c", where, cwd=tmp_path).split():
        assert Path(line).is_relative_to(installed.parent)


def test_the_command_explains_itself(installed, tmp_path):
    said = run(installed / "recsys", "--help", cwd=tmp_path)
    assert "init" in said
    assert "recommend" in said


def test_the_command_makes_a_database_in_any_folder(installed, tmp_path):
    said = json.loads(run(installed / "recsys", "init", "--json", cwd=tmp_path))
    assert said["revision"]
    assert (tmp_path / "var" / "recsys.db").exists()


def test_migrations_and_sample_are_those_of_the_wheel(installed, tmp_path):
    where = "from recsys.settings import bundled; print(bundled('migrations')); print(bundled('sample'))"
    for line in run(installed / "python", "-c", where, cwd=tmp_path).split():
        assert Path(line).is_relative_to(installed.parent)
        assert any(Path(line).iterdir())
