"""Writes a model to a folder, and reads it back into the keys of a database."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from errno import ENOSPC
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recsys.columns import NONE, Ints
from recsys.domain import RecsysError
from recsys.model.ranking_head import ListwiseHead, PointwiseHead
from recsys.model.two_towers import TowerConfig, TwoTowers
from recsys.pipeline.content import ContentSpace
from recsys.pipeline.model import Heads, Model, Views
from recsys.pipeline.scorer import input_names, widths
from recsys.pipeline.towers import Towers
from recsys.retrieval.index import VectorIndex, read_flat
from recsys.snapshots.folder import whole_folder
from recsys.snapshots.manifest import Manifest, Shape, read_manifest, sha256, write_manifest

WEIGHTS, LEARNED, CONTENT, ITEMS = "weights.safetensors", "learned.faiss", "content.faiss", "items.json"
INDEXES = {"learned": LEARNED, "content": CONTENT}  # files by their names in ITEMS


class OtherVersionError(RecsysError):
    """A snapshot is whole, but made for another version of this program."""


KeysOf = Callable[[Iterable[str]], dict[str, int]]


def write_snapshot(model: Model, folder: Path, article_ids: dict[int, str]) -> None:
    """Write a model's folder, so that a snapshot is whole or absent, and clear away what killed processes left.

    Args:
        model: the version to write.
        folder: must not exist; its parent is made.
        article_ids: id of every article key that the model mentions.

    Raises:
        RecsysError: when the disk does not take it.
    """
    try:
        with whole_folder(folder) as partial:
            _write_files(model, partial, article_ids)
    except (OSError, SafetensorError, RuntimeError) as error:  # RuntimeError: FAISS, for a full disk
        raise RecsysError(
            f"Version {model.version} could not be written to {folder.parent} ({_reason(error)}): see that there is "
            f"room ({_room(model, folder)}) and that you may write there, then train again."
        ) from error


def read_snapshot(folder: Path, keys_of: KeysOf) -> Model:
    """Read a model, addressed by the article keys that ``keys_of`` gives for ids; unknown articles are left out.

    Raises:
        RecsysError: for a snapshot that is missing, damaged or from a newer version of the program.
    """
    with _explained(folder):
        return _read_files(read_manifest(folder), folder, keys_of)


def check_snapshot(folder: Path) -> Manifest:
    """Refuse what ``read_snapshot`` refuses, in the same words, without a database and without making an index.

    Raises:
        RecsysError: for a snapshot that is missing, damaged or from a newer version of the program.
    """
    with _explained(folder):
        manifest = read_manifest(folder)
        items = _items(folder)
        for name, file in INDEXES.items():
            read_flat(folder / file, len(items[name]))
        _modules(manifest, folder, np.full(len(items["behaviour"]), NONE, np.int64))
    return manifest


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say in a sentence why a snapshot cannot be read."""
    try:
        yield
    except OSError as error:
        raise RecsysError(f"The snapshot in {folder} cannot be read ({error}): restore it, or train again.") from error
    except (RuntimeError, KeyError, ValueError) as error:  # RuntimeError: torch, for weights of other shapes
        raise OtherVersionError(
            f"The snapshot in {folder} does not fit this version of recsys: train again."
        ) from error


def _read_files(manifest: Manifest, folder: Path, keys_of: KeysOf) -> Model:
    items = _items(folder)
    known = keys_of({article_id for ids in items.values() for article_id in ids})
    keys = {name: np.array([known.get(i, NONE) for i in ids], np.int64) for name, ids in items.items()}
    towers, heads = _modules(manifest, folder, keys["behaviour"])
    learned, content = (VectorIndex.load(folder / file, keys[name]) for name, file in INDEXES.items())
    m = manifest
    return Model(m.version, Views(towers, learned, content), heads, m.encoders, m.since, m.until, m.metrics)


def _items(folder: Path) -> dict[str, list[str]]:
    """Ids of the articles in each index, and of those with a row in the id embedding."""
    items: dict[str, list[str]] = json.loads((folder / ITEMS).read_text())
    return items


def _modules(manifest: Manifest, folder: Path, id_keys: Ints) -> tuple[Towers, Heads | None]:
    """The towers, and the heads where the version has any, with their weights."""
    tensors = load_file(folder / WEIGHTS)
    towers = _towers(manifest, tensors, id_keys)
    modalities = towers.content_space.present
    return towers, _heads(manifest, tensors, modalities) if manifest.shape.heads else None


def _write_files(model: Model, folder: Path, article_ids: dict[int, str]) -> None:
    views = model.views
    save_file(_tensors(model), folder / WEIGHTS)
    _save_index(views.learned, folder / LEARNED)
    _save_index(views.content, folder / CONTENT)
    items = {
        "learned": [article_ids[int(key)] for key in views.learned.keys],
        "content": [article_ids[int(key)] for key in views.content.keys],
        "behaviour": [article_ids.get(int(key), "") for key in views.towers.id_keys],
    }
    (folder / ITEMS).write_text(json.dumps(items))
    write_manifest(_manifest(model, folder), folder)


def _save_index(index: VectorIndex, path: Path) -> None:
    index.save(path)
    if path.stat().st_size < 4 * len(index.keys) * index.dim:  # FAISS does not mind a file that cannot be closed
        raise OSError(ENOSPC, os.strerror(ENOSPC), str(path))


def _reason(error: Exception) -> str:
    """What the system says; FAISS puts it in parentheses, behind the names of its own functions and files."""
    text = " ".join(str(error).split())
    inner = re.search(r"\(([^()]+)\)+$", text) if isinstance(error, RuntimeError) else None
    return inner[1] if inner else text


def _room(model: Model, folder: Path) -> str:
    views = (model.views.learned, model.views.content)
    needed = sum(tensor.nbytes for tensor in _tensors(model).values()) + sum(4 * len(v.keys) * v.dim for v in views)
    there = next(path for path in folder.absolute().parents if path.exists())
    return f"it takes {needed / 1e6:.1f} MB, {shutil.disk_usage(there).free / 1e6:.1f} MB are free"


def _tensors(model: Model) -> dict[str, Tensor]:
    towers = model.views.towers
    tensors = {"clicks_known": torch.from_numpy(towers.clicks_known)} | _state("towers", towers.model)
    for name in towers.content_space.modalities:
        tensors[f"content_mean.{name}"] = torch.from_numpy(towers.content_space.mean[name])
        tensors[f"content_matrix.{name}"] = torch.from_numpy(towers.content_space.matrix[name])
    if model.heads is not None:
        tensors |= _state("pointwise", model.heads.pointwise) | _state("listwise", model.heads.listwise)
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _manifest(model: Model, folder: Path) -> Manifest:
    towers = model.views.towers
    shape = Shape(
        dims=towers.content_space.dims,
        ids=len(towers.id_keys),
        towers={name: value for name, value in asdict(towers.config).items() if name != "fusion"},
        content_weight=towers.content_space.weight,
        heads=model.heads is not None,
        inputs=input_names(towers.content_space.present),
    )
    return Manifest(
        version=model.version,
        fusion=towers.config.fusion,
        encoders=model.encoders,
        shape=shape,
        since=model.since,
        until=model.until,
        metrics=model.metrics,
        files={path.name: sha256(path) for path in sorted(folder.iterdir())},
    )


def _towers(manifest: Manifest, tensors: dict[str, Tensor], id_keys: Ints) -> Towers:
    shape = manifest.shape
    kinds = {name: type(default) for name, default in asdict(TowerConfig()).items()}
    if other := sorted(set(shape.towers) ^ (set(kinds) - {"fusion"})):
        raise OtherVersionError(
            f"Snapshot {manifest.version} was written by another version of recsys, whose towers are made otherwise "
            f"({', '.join(other)}): use that version, or train again."
        )
    config = TowerConfig(fusion=manifest.fusion, **{name: kinds[name](value) for name, value in shape.towers.items()})
    module = TwoTowers(shape.dims, shape.ids, config)
    module.load_state_dict(_part("towers", tensors))
    space = ContentSpace(
        mean={name: tensors[f"content_mean.{name}"].numpy() for name in shape.dims},
        matrix={name: tensors[f"content_matrix.{name}"].numpy() for name in shape.dims},
        weight=shape.content_weight,
    )
    return Towers(module.eval(), space, id_keys, tensors["clicks_known"].numpy())


def _heads(manifest: Manifest, tensors: dict[str, Tensor], modalities: tuple[str, ...]) -> Heads:
    _check_inputs(manifest, input_names(modalities))
    width, items, lists = widths(modalities)
    heads = Heads(PointwiseHead(width), ListwiseHead(items, lists))
    heads.pointwise.load_state_dict(_part("pointwise", tensors))
    heads.listwise.load_state_dict(_part("listwise", tensors))
    return Heads(heads.pointwise.eval(), heads.listwise.eval(), manifest.metrics.get("threshold"))


def _check_inputs(manifest: Manifest, given: tuple[str, ...]) -> None:
    """Refuse a head whose inputs mean something else here, though there may be as many of them."""
    read = manifest.shape.inputs
    if read != given:
        other = next((a for a, b in zip_longest(read, given) if a != b), None) or "fewer inputs"
        raise OtherVersionError(
            f"Snapshot {manifest.version} was written by another version of recsys, whose ranking head reads other "
            f"inputs ({other}): use that version, or train again."
        )


def _state(name: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in module.state_dict().items()}


def _part(name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
