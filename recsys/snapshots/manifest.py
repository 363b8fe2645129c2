"""What a snapshot's folder says of itself."""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from recsys.domain import Modality, RecsysError, Timestamp

FORMAT = 1
NAME = "manifest.json"


class Shape(BaseModel):
    """Everything needed to build the modules before their weights are read."""

    dims: dict[Modality, int]  # reduced content dimensions by modality
    ids: int  # rows of the id embedding
    towers: dict[str, float]  # recsys.model.two_towers.TowerConfig
    content_weight: dict[Modality, float]
    heads: bool


class Manifest(BaseModel):
    """The manifest of one version."""

    format: int = FORMAT
    version: str
    fusion: str = "gated"
    encoders: dict[Modality, str]  # encoder ids
    shape: Shape
    since: Timestamp | None
    until: Timestamp | None
    metrics: dict[str, Any]
    files: dict[str, str]  # sha256 by file name


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest, and that every file it names is there unchanged.

    Raises:
        RecsysError: for a snapshot that is missing, damaged or from a newer version of the program.
    """
    try:
        manifest = Manifest.model_validate_json((folder / NAME).read_text())
    except FileNotFoundError as error:
        raise RecsysError(f"There is no snapshot in {folder}: restore the folder, or train again.") from error
    except ValidationError as error:
        raise RecsysError(f"The manifest in {folder} is damaged: restore it, or train again.") from error
    if manifest.format > FORMAT:
        raise RecsysError(f"Snapshot {manifest.version} was written by a newer version of recsys: upgrade this one.")
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.exists() or sha256(path) != expected:
            raise RecsysError(f"{path} is missing or damaged: restore it, or roll back to another version.")
    return manifest


def sha256(path: Path) -> str:
    """Checksum of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
