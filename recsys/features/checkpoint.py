"""The state of the fold in a file, so that a process need not fold the whole log when it starts."""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.columns import Ints
from recsys.domain import RecsysError
from recsys.features.state import ArticleState, empty_state, eventful, unpacked

BESIDE = "beside."  # before the names of arrays that a checkpoint holds besides the state

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True)
class Checkpoint:
    """A state as a file holds it: the rows to which something happened, and what was noted beside them."""

    rows: Ints  # (n,) rising
    packed: ArticleState  # of these rows
    position: tuple[int, int]  # that the fold has reached in the log
    articles: int  # rows of the whole state
    notes: str
    beside: Arrays

    def state(self, articles: int = 0) -> ArticleState:
        """The whole state, with room for article keys below ``articles`` at least."""
        return unpacked(self.rows, self.packed, max(self.articles, articles))


def save_state(
    state: ArticleState,
    path: Path,
    position: tuple[int, int],
    *,
    notes: str = "",
    beside: Arrays | None = None,
) -> None:
    """Write a checkpoint of the state and of the log position it has reached, with other arrays beside it.

    Raises:
        OSError, SafetensorError: when the disk does not take it; a checkpoint that is there stays.
    """
    rows = eventful(state)
    arrays = {name: array[rows] for name, array in state._asdict().items()}
    arrays |= {f"{BESIDE}{name}": np.ascontiguousarray(array) for name, array in (beside or {}).items()}
    arrays |= {"rows": rows, "position": np.array(position, np.int64), "articles": np.array([len(state.stamp)])}
    arrays["notes"] = np.frombuffer(notes.encode(), np.uint8)
    partial = path.with_suffix(".partial")
    save_file({**arrays, "checksum": _checksum(arrays)}, partial)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(path)


def load_state(path: Path) -> tuple[ArticleState, tuple[int, int]]:
    """The state of a checkpoint and the log position it has reached; raises as ``load_checkpoint`` does."""
    saved = load_checkpoint(path)
    return saved.state(), saved.position


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        RecsysError: when there is none, it is damaged, or something else than this version of the fold wrote it.
    """
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: numbers of a kind that numpy does not have
        raise RecsysError(f"The checkpoint {path} cannot be read ({error}): fold the log from its start.") from error
    beside = {name: array for name, array in arrays.items() if name.startswith(BESIDE)}
    own = {name: array for name, array in arrays.items() if name not in beside}
    if _layout(own) != _expected(own):
        raise RecsysError(f"{path} is no checkpoint of this version of the fold: fold the log from its start.")
    if arrays.pop("checksum") != _checksum(arrays):
        raise RecsysError(f"The checkpoint {path} is damaged: fold the log from its start.")
    impression, click = arrays["position"].tolist()
    return Checkpoint(
        rows=arrays["rows"],
        packed=ArticleState(**{name: arrays[name] for name in ArticleState._fields}),
        position=(impression, click),
        articles=int(arrays["articles"][0]),
        notes=arrays["notes"].tobytes().decode(),
        beside={name.removeprefix(BESIDE): array for name, array in beside.items()},
    )


def _expected(arrays: Arrays) -> dict[str, tuple[tuple[int, ...], str]]:
    """The layout of a checkpoint with as many rows and notes as this one has."""
    rows, notes = np.size(arrays.get("rows", ())), np.size(arrays.get("notes", ()))
    layout = _layout(empty_state(rows)._asdict())
    return layout | {
        "rows": ((rows,), "<i8"),
        "articles": ((1,), "<i8"),
        "position": ((2,), "<i8"),
        "notes": ((notes,), "|u1"),
        "checksum": ((1,), "<u4"),
    }


def _layout(arrays: Arrays) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, array.dtype.str) for name, array in arrays.items()}


def _checksum(arrays: Arrays) -> np.ndarray:
    """CRC-32 of all of them, by name."""
    value = 0
    for name in sorted(arrays):
        value = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, zlib.crc32(name.encode(), value))
    return np.array([value], np.uint32)
