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
    towers: dict[str, float]  # recsys.model.two_towers.TowerConfig, but for its fusion
    content_weight: dict[Modality, float]
    heads: bool
    inputs: tuple[str, ...]  # names of the ranking head's pointwise inputs


class _Header(BaseModel):
    """What the manifests of all formats have in common."""

    format: int = FORMAT


class Manifest(_Header):
    """The manifest of one version."""

    version: str
    fusion: str  # a name in recsys.model.fusion.FUSIONS
    encoders: dict[Modality, str]  # encoder ids
    shape: Shape
    since: Timestamp | None
    until: Timestamp | None
    metrics: dict[str, Any]
    files: dict[str, str]  # sha256 by file name
    checksum: str = ""  # of all the other fields

    def digest(self) -> str:
        """Checksum of all fields but the checksum itself."""
        return hashlib.sha256(self.model_dump_json(exclude={"checksum"}).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write a manifest with its own checksum."""
    signed = manifest.model_copy(update={"checksum": manifest.digest()})
    (folder / NAME).write_text(signed.model_dump_json(indent=1))


def read_manifest(folder: Path) -> Manifest:
    """Read and check a manifest, and that every file it names is there unchanged.

    Raises:
        RecsysError: for a snapshot that is missing, damaged or from a newer version of the program.
    """
    damaged = f"The manifest in {folder} is damaged: restore it, or train again."
    try:
        text = (folder / NAME).read_bytes()
        if _Header.model_validate_json(text).format > FORMAT:  # before the fields, which may be other ones by then
            raise RecsysError(f"Snapshot {folder.name} was written by a newer version of recsys: upgrade this one.")
        manifest = Manifest.model_validate_json(text)
    except FileNotFoundError as error:
        raise RecsysError(f"There is no snapshot in {folder}: restore the folder, or train again.") from error
    except ValidationError as error:
        raise RecsysError(damaged) from error
    if manifest.checksum != manifest.digest():
        raise RecsysError(damaged)
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.exists() or sha256(path) != expected:
            raise RecsysError(f"{path} is missing or damaged: restore it, or roll back to another version.")
    return manifest


def sha256(path: Path) -> str:
    """Checksum of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
