"""A snapshot is whole or absent, and what is not whole is explained in one sentence."""

import json
import resource
import shutil
from pathlib import Path

import made_world
import numpy as np
import pytest
from made_snapshots import keys_in, read, version_of

from recsys.database import articles
from recsys.database.session import Sessions
from recsys.domain import RecsysError
from recsys.pipeline.model import Model
from recsys.retrieval.index import VectorIndex
from recsys.settings import Settings
from recsys.snapshots import folder as folders
from recsys.snapshots import snapshot as room
from recsys.snapshots.manifest import read_manifest, sha256, write_manifest
from recsys.snapshots.snapshot import check_snapshot, write_snapshot

FILES = ("weights.safetensors", "learned.faiss", "content.faiss", "items.json", "manifest.json")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Sessions]:
    settings = Settings(home=tmp_path_factory.mktemp("damage") / "home", _env_file=None)
    return settings, made_world.install(settings)


@pytest.fixture
def folder(world: tuple[Settings, Sessions], tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    settings, _ = world
    return Path(shutil.copytree(settings.snapshots / version_of(settings), tmp_path / "v1"))


@pytest.fixture
def model(world: tuple[Settings, Sessions]) -> Model:
    settings, sessions = world
    return read(settings.snapshots / version_of(settings), sessions)


def ids_of(sessions: Sessions) -> dict[int, str]:
    with sessions() as session:
        return dict(enumerate(articles.load_catalogue(session).article_ids))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "gone"])
def test_a_damaged_file_is_named(name: str, damage: str, folder: Path, world: tuple[Settings, Sessions]) -> None:
    path = folder / name
    size = path.stat().st_size
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        flip(path, size // 2)
    else:
        path.write_bytes(path.read_bytes()[: size // 2 if damage == "cut" else 0])
    with pytest.raises(RecsysError, match=r"restore") as error:
        read(folder, world[1])
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)
    assert check_says(folder) == str(error.value)


def check_says(folder: Path) -> str:
    with pytest.raises(RecsysError) as error:
        check_snapshot(folder)
    return str(error.value)


def test_a_check_makes_no_index(
    folder: Path, world: tuple[Settings, Sessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VectorIndex, "put", lambda *_: pytest.fail("that takes long for many articles"))
    assert check_snapshot(folder).version == version_of(world[0])


@pytest.mark.parametrize("name", ["learned", "content"])
def test_indexes_and_ids_that_do_not_belong_together_are_refused(
    name: str, folder: Path, world: tuple[Settings, Sessions]
) -> None:
    """Whole files with right checksums, of two trainings."""
    manifest, items = read_manifest(folder), json.loads((folder / "items.json").read_text())
    (folder / "items.json").write_text(json.dumps({**items, name: items[name][1:]}))
    write_manifest(manifest.model_copy(update={"files": {f: sha256(folder / f) for f in manifest.files}}), folder)
    with pytest.raises(RecsysError, match=rf"{name}.faiss is not an inner-product index of") as error:
        read(folder, world[1])
    assert check_says(folder) == str(error.value)


def test_no_flipped_bit_of_the_manifest_changes_what_it_says(folder: Path, world: tuple[Settings, Sessions]) -> None:
    path = folder / "manifest.json"
    whole, said = path.read_bytes(), read_manifest(folder)
    refused = 0
    for place in np.random.default_rng(0).choice(len(whole), 200, replace=False):
        path.write_bytes(whole)
        flip(path, int(place))
        try:
            assert read_manifest(folder) == said  # such as a digit beyond what a float holds
        except RecsysError:
            refused += 1
    assert refused > 150
    path.write_bytes(whole)
    assert read(folder, world[1]).version == said.version


def test_a_snapshot_that_is_not_there(tmp_path: Path, world: tuple[Settings, Sessions]) -> None:
    with pytest.raises(RecsysError, match="no snapshot in"):
        read(tmp_path / "nowhere", world[1])


def test_a_newer_format_is_refused_whatever_else_it_says(folder: Path, world: tuple[Settings, Sessions]) -> None:
    path = folder / "manifest.json"
    for content in ({**json.loads(path.read_text()), "format": 2}, {"format": 3, "all": "different"}):
        path.write_text(json.dumps(content))
        with pytest.raises(RecsysError, match="newer version of recsys: upgrade") as error:
            read(folder, world[1])
        assert check_says(folder) == str(error.value)


def test_weights_of_another_shape_are_explained(
    folder: Path, world: tuple[Settings, Sessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = room.widths
    monkeypatch.setattr(room, "widths", lambda modalities: tuple(width + 1 for width in widths(modalities)))
    with pytest.raises(RecsysError, match="does not fit this version of recsys: train again") as error:
        read(folder, world[1])
    assert check_says(folder) == str(error.value)


def test_a_head_that_reads_other_inputs_is_refused_however_many_they_are(
    folder: Path, world: tuple[Settings, Sessions], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = room.input_names

    def renamed(modalities: tuple[str, ...]) -> tuple[str, ...]:
        first, second, *others = names(modalities)
        return second, first, *others

    assert list(names(("image", "title"))) == json.loads((folder / "manifest.json").read_text())["shape"]["inputs"]
    monkeypatch.setattr(room, "input_names", renamed)
    with pytest.raises(
        RecsysError, match=rf"other inputs \({names(('image', 'title'))[0]}\): .*or train again"
    ) as error:
        read(folder, world[1])
    assert check_says(folder) == str(error.value)


def failing(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_nothing_under_the_name(
    model: Model, world: tuple[Settings, Sessions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, ids = tmp_path / "snapshots" / "v2", ids_of(world[1])
    for owner, name in ((room, "save_file"), (VectorIndex, "save"), (room, "write_manifest"), (folders, "sync")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, failing)
            with pytest.raises(KeyboardInterrupt):
                write_snapshot(model, target, ids)
        assert list(target.parent.iterdir()) == []
    write_snapshot(model, target, ids)
    assert [path.name for path in target.parent.iterdir()] == ["v2"]
    assert read(target, world[1]).version == model.version


def test_what_a_killed_process_left_is_no_snapshot_and_in_nobodys_way(
    model: Model, world: tuple[Settings, Sessions], tmp_path: Path
) -> None:
    target = tmp_path / "v2"
    left = tmp_path / ".v2.partial"
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    (left / "stray").write_bytes(b"")
    write_snapshot(model, target, ids_of(world[1]))
    assert [path.name for path in tmp_path.iterdir()] == ["v2"]
    assert "stray" not in {path.name for path in target.iterdir()}
    assert read(target, world[1]).version == model.version


def test_a_small_index_that_the_disk_loses_as_it_is_closed_is_noticed(
    model: Model, world: tuple[Settings, Sessions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAISS writes what is small at the very end, and passes over it when that fails."""
    monkeypatch.setattr(VectorIndex, "save", lambda _index, path: path.write_bytes(b""))
    with pytest.raises(RecsysError, match=r"No space left .*it takes \d\.\d MB, .* MB are free"):
        write_snapshot(model, tmp_path / "v2", ids_of(world[1]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room_for", [3000, 100_000])
def test_a_full_disk_is_explained_and_nothing_is_left(
    room_for: int, model: Model, world: tuple[Settings, Sessions], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if room_for == 100_000:  # enough for small weights, so that it is an index that does not fit
        monkeypatch.setattr(room, "save_file", lambda tensors, path: path.write_bytes(b""))
        key = np.array([10_000])
        model.views.content.put(key, np.zeros((1, model.views.content.dim), np.float32))
        model.views.learned.put(np.arange(1, 2000), np.ones((1999, model.views.learned.dim), np.float32))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ids = ids_of(world[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_for, hard))
    try:
        with pytest.raises(RecsysError, match=r"could not be written to [^(]*\([^()]*File too large[^(]*"):
            write_snapshot(model, tmp_path / "v2", ids)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_there_is_not_written_over(
    model: Model, world: tuple[Settings, Sessions], folder: Path
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(RecsysError, match="could not be written"):
        write_snapshot(model, folder, ids_of(world[1]))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert keys_in(world[1])(["a01"])
