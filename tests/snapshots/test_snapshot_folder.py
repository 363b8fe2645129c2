"""A folder gets its name when the disk holds it, and what killed processes left is cleared away."""

import multiprocessing
import os
from pathlib import Path

import pytest

from recsys.snapshots.folder import whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_folder_gets_its_name_at_the_end(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "deep" / "v1") as partial:
        (partial / "file").write_text("content")
        assert names(tmp_path / "deep") == [".v1.partial"]
    assert names(tmp_path / "deep") == ["v1"]
    assert (tmp_path / "deep" / "v1" / "file").read_text() == "content"


def test_the_disk_holds_files_before_the_name_and_the_name_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[int, bool]] = []
    fsync, target = os.fsync, tmp_path / "v1"

    def noting(descriptor: int) -> None:
        held.append((os.fstat(descriptor).st_ino, target.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    with whole_folder(target) as partial:
        (partial / "file").write_text("content")
    expected = [((target / "file"), False), (target, False), (tmp_path, True)]
    assert held == [(path.stat().st_ino, named) for path, named in expected]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "v1") as partial:
        (partial / "no folder" / "file").write_text("content")
    assert names(tmp_path) == []


def test_what_killed_processes_left_is_cleared_away(tmp_path: Path) -> None:
    for name in (".v0.partial", ".v7.partial", ".v1.partial", "v0", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("half")
    with whole_folder(tmp_path / "v1") as partial:
        assert list(partial.iterdir()) == []
    assert names(tmp_path) == [".hidden", "v0", "v1"]


def _write(folder: Path, begun: object, go_on: object) -> None:
    with whole_folder(folder) as partial:
        (partial / "file").write_text("slow")
        begun.set()  # type: ignore[attr-defined]
        go_on.wait(60)  # type: ignore[attr-defined]


def test_what_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    forks = multiprocessing.get_context("spawn")
    begun, go_on = forks.Event(), forks.Event()
    other = forks.Process(target=_write, args=(tmp_path / "v1", begun, go_on))
    other.start()
    assert begun.wait(60)
    with whole_folder(tmp_path / "v2"):
        pass
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "v1"):
        pytest.fail("two write the same version")
    go_on.set()
    other.join(60)
    assert other.exitcode == 0
    assert names(tmp_path) == ["v1", "v2"]
    assert (tmp_path / "v1" / "file").read_text() == "slow"


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "file").write_text("old")
    with pytest.raises(OSError, match="v1"), whole_folder(tmp_path / "v1") as partial:
        (partial / "file").write_text("new")
    assert names(tmp_path) == ["v1"]
    assert (tmp_path / "v1" / "file").read_text() == "old"
