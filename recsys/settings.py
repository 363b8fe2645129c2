"""Every knob of the program in one typed object; nothing else reads the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGED_TEXT_ENCODER = "all-MiniLM-L6-v2"
PACKAGED_IMAGE_ENCODER = "tf_efficientnet_lite0"
MEDIA = "media"  # the folder of pictures that were sent, wherever the home is moved to


class Settings(BaseSettings):
    """Read from ``RECSYS_*`` variables or a ``.env`` file; explicit arguments win."""

    model_config = SettingsConfigDict(env_prefix="RECSYS_", env_file=".env", extra="ignore")

    home: Path = Field(Path("var"), description="folder for the database, the snapshots and the media")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite inside home")
    title_encoder: str = Field(
        PACKAGED_TEXT_ENCODER,
        description="Hugging Face model name, folder of a model (`recsys train --finetune-title` makes such), or the "
        "packaged default",
    )
    summary_encoder: str = Field(
        "", description=f"text model, such as {PACKAGED_TEXT_ENCODER}, that makes the summary a modality; empty: none"
    )
    body_encoder: str = Field("", description="text model that makes the body a modality; empty: none")
    image_encoder: str = Field(PACKAGED_IMAGE_ENCODER, description="timm model name, or the packaged default")
    augment: int = Field(
        0, ge=0, le=16, description="altered views of each title, text and picture that training draws from, beside it"
    )
    fusion: Literal["gated", "weighted", "mlp", "attention", "late"] = Field(
        "gated", description="how the next training makes one vector of an article's modalities"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where encoders and training run")
    threads: int = Field(1, ge=0, le=1024, description="torch threads for training and answers; 0: torch's own choice")
    live_hours: float = Field(
        48.0,
        gt=0,
        allow_inf_nan=False,
        description="an article is a candidate this long after it was last shown or published",
    )
    section_cap: int = Field(4, ge=1, description="most items of one section in ten recommendations, or in proportion")
    diversity: float = Field(
        0.2, ge=0, le=1, description="MMR's weight of being unlike what stands above; 0 turns it off"
    )
    served_is_seen: bool = Field(
        False, description="treat a served list as an impression without the client's confirmation"
    )
    robot_clicks_per_hour: int = Field(
        600,  # one every six seconds; the busiest hour of a reader has 27 in EB-NeRD, 269 liked films on MovieLens
        ge=0,
        description="a user with more clicks than this in an hour is left out of training and counters; 0: nobody is",
    )
    served_days: float = Field(
        7.0, gt=0, allow_inf_nan=False, description="an answer that nobody confirmed as seen is forgotten after so long"
    )
    promote_margin: float = Field(
        0.005, ge=0, description="nDCG@10 that models retrained one from another may lose in all and still be promoted"
    )
    bounce: float = Field(
        0.5, gt=0, le=1,
        description="what a click that was left at once counts in training, beside one read for half a minute or more; "
        "1: dwell times change nothing",
    )  # fmt: skip
    retrain_every: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="hours between two retrainings that the worker starts; 0: none"
    )

    experiment: str = Field(
        "", pattern=r"^$|^.+:(0?\.\d*[1-9]\d*|1(\.0*)?)$",
        description="VERSION:SHARE gives a second version this share of the users; it wins over `PUT /v1/experiment`",
    )  # fmt: skip
    exploration: float = Field(
        0.0, ge=0, le=0.5, description="share of the answers whose list is drawn at random around the best; 0: none"
    )
    exploration_temperature: float = Field(
        0.5, gt=0, allow_inf_nan=False,
        description="how far from the best such a list may be, in standard deviations of the candidates' utilities",
    )  # fmt: skip
    answers_at_once: int = Field(1, ge=1, description="recommendations that one process computes at a time")
    most_waiting: int = Field(
        128, ge=0,
        description="requests of a process that may wait for that, and as many that write for their turn; further ones "
        "get a 503 with Retry-After",
    )  # fmt: skip
    log_format: Literal["text", "json"] = Field("text", description="lines of the log: for people, or JSON")

    tired_after: int = Field(
        0, ge=0, description="an article shown to a reader so often without a click is no candidate for them; 0: never"
    )
    fetch_pictures: bool = Field(True, description="fetch the pictures that articles name by an http(s) address")
    fetch_hosts: str = Field(
        "", description="hosts, separated by commas, whose pictures are fetched although their addresses are not public"
    )

    cached_histories: int = Field(
        10_000, ge=0, description="users whom a process remembers, for answers while the database does not answer"
    )
    checkpoint_every: float = Field(
        120.0, ge=0, allow_inf_nan=False, description="seconds between two checkpoints of the state; 0: none"
    )

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'recsys.db'}"

    @property
    def snapshots(self) -> Path:
        """Folder of the model versions."""
        return self.home / "snapshots"

    @property
    def checkpoint(self) -> Path:
        """File of the state that processes start from."""
        return self.home / "checkpoints" / "state.safetensors"

    @property
    def encoders(self) -> Path:
        """Folder of fine-tuned encoders."""
        return self.home / "encoders"

    @property
    def fetched(self) -> Path:
        """Folder of pictures that were fetched from their addresses."""
        return self.home / "fetched"

    @property
    def media(self) -> Path:
        """Folder of uploaded pictures."""
        return self.home / MEDIA


def bundled(name: str) -> Path:
    """The folder ``name`` ("migrations", "sample") that came with the program, installed or in a checkout."""
    package = Path(__file__).parent
    installed = package / "_bundled" / name
    checkout = {"migrations": package.parent / "migrations", "sample": package.parent / "data" / "sample"}
    return installed if installed.exists() else checkout[name]
