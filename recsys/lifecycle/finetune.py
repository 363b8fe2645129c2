"""Fine-tunes the title encoder on a log's co-clicks, keeps it as a folder, and trains a version with it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from recsys.columns import NONE, Ints
from recsys.database import articles, models
from recsys.database.session import Sessions, writing
from recsys.domain import RecsysError, Timestamp
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.device import choose_device, set_threads
from recsys.encoders.finetune import TuneConfig, Tuned, fine_tune, save
from recsys.encoders.text import TitleEncoder
from recsys.encoders.text_model import TextModel
from recsys.lifecycle.coclicks import co_clicks
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.train import train
from recsys.pipeline.load import load_dataset
from recsys.pipeline.model import Model
from recsys.progress import StageProgress, untold
from recsys.settings import Settings
from recsys.snapshots.folder import whole_folder
from recsys.training.fit import FEWEST_LISTS, SLICES
from recsys.training.replayed import examples_since

STAGE = "title encoder"


@dataclass(frozen=True)
class FineTuned:
    """A title encoder that was made of the one in the settings."""

    folder: Path  # what RECSYS_TITLE_ENCODER must name for it to be used
    figures: dict[str, Any]  # for people and for JSON


def train_with_finetuned_title(
    sessions: Sessions,
    settings: Settings,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    seed: int = 0,
    config: TuneConfig = TuneConfig(),
    report: StageProgress = untold,
) -> Model:
    """Fine-tune on the clicks before ``tuning_end``, encode all titles with the result, and train a candidate.

    Nothing that is live changes. The candidate does not go live by itself either, while the settings name another
    title encoder: what serves could not make its vectors.

    Raises:
        RecsysError: when there is nothing to tune on or to train on, or the title encoder cannot be tuned.
    """
    end = tuning_end(sessions, settings, since, until)
    made = finetune_title(sessions, settings, until=end, seed=seed, config=config, report=report)
    tuned = settings.model_copy(update={"title_encoder": str(made.folder)})
    encode_new(sessions, load_encoders(tuned), report)
    usable = expected_ids(settings) == expected_ids(tuned)
    model = train(sessions, tuned, since=since, until=until, seed=seed, may_go_live=usable, report=report)
    with writing(sessions) as session:
        models.set_metrics(session, model.version, {"finetuning": made.figures})
    return replace(model, metrics={**model.metrics, "finetuning": made.figures})


def tuning_end(
    sessions: Sessions, settings: Settings, since: Timestamp | None, until: Timestamp | None
) -> Timestamp | None:
    """Where the newest slice of the lists begins that a training has; ``until`` where there are no lists.

    The ranking head learns from lists how far to trust the titles. Titles tuned on the clicks in those very lists would
    look better there than they are on any later one, so the newest slice is kept from them, as it is from the towers
    that score it.
    """
    end, limit = np.inf if until is None else until, settings.robot_clicks_per_hour
    with sessions() as session:
        log = load_dataset(session, {}, until=end, robot_limit=limit).log
    lists = log.impressions.known_at
    lists = lists[lists >= examples_since(log, -np.inf if since is None else since)]
    return float(lists[len(lists) * (SLICES - 1) // SLICES]) if len(lists) >= FEWEST_LISTS else until


def finetune_title(
    sessions: Sessions,
    settings: Settings,
    *,
    until: Timestamp | None = None,
    seed: int = 0,
    config: TuneConfig = TuneConfig(),
    report: StageProgress = untold,
) -> FineTuned:
    """Tune the last layers of the settings' title encoder on co-clicks known before ``until``; see ``FineTuned``."""
    started = time.perf_counter()
    set_threads(settings)
    if not settings.title_encoder:
        raise RecsysError("RECSYS_TITLE_ENCODER names no model: there is nothing to fine-tune.")
    encoder = TextModel(settings.title_encoder, settings.device)
    texts, pairs = _examples(sessions, settings, TitleEncoder(encoder), until, config, seed)
    tuned = fine_tune(
        encoder.source, texts, pairs, device=choose_device(settings.device), config=config, seed=seed,
        report=lambda done, total: report(STAGE, done, total),
    )  # fmt: skip
    folder = _kept(tuned, settings)
    figures = {
        "folder": str(folder),
        "titles": len(texts),
        "pairs": len(pairs),
        "steps": len(tuned.losses),
        "loss": [round(float(np.mean(some)), 3) for some in (tuned.losses[:20], tuned.losses[-20:])],
        "seconds": round(time.perf_counter() - started, 1),
    }
    return FineTuned(folder, figures)


def _examples(
    sessions: Sessions,
    settings: Settings,
    encoder: TitleEncoder,
    until: Timestamp | None,
    config: TuneConfig,
    seed: int,
) -> tuple[list[str], Ints]:
    """Titles and pairs of them, no more than the steps can use."""
    end = np.inf if until is None else until
    with sessions() as session:
        log = load_dataset(session, {}, until=end, robot_limit=settings.robot_clicks_per_hour).log
        pairs = co_clicks(log.clicks, until=end, seed=seed)[: config.steps * config.batch]
        found = articles.articles_by_key(session, np.unique(pairs).tolist())
    texts, rows = text_pairs(pairs, {key: encoder.text(article) for key, article in found.items()})
    if not len(rows):
        raise RecsysError(
            "No user has clicked two articles with titles before --until: train without --finetune-title."
        )
    return texts, rows


def text_pairs(pairs: Ints, titles: Mapping[int, str | None]) -> tuple[list[str], Ints]:
    """Distinct texts, and the pairs of articles (n, 2) as rows of them, less those with fewer than two texts."""
    texts = sorted({text for text in titles.values() if text is not None})
    row_of = {text: row for row, text in enumerate(texts)}
    rows = np.full(int(pairs.max(initial=0)) + 1, NONE, np.int64)
    for key, text in titles.items():
        rows[key] = NONE if text is None else row_of[text]
    found = rows[pairs]
    return texts, found[(found != NONE).all(axis=1) & (found[:, 0] != found[:, 1])]


def _kept(tuned: Tuned, settings: Settings) -> Path:
    """The folder of this encoder, written unless it is there: the same log and seed tune the same weights."""
    folder = (settings.encoders / f"title-{tuned.digest[:8]}").absolute()
    if not folder.exists():
        try:
            with whole_folder(folder) as partial:
                save(tuned, partial)
        except (OSError, SafetensorError) as error:
            raise RecsysError(
                f"The fine-tuned encoder could not be written to {folder.parent} ({error}): see that there is room and "
                f"that you may write there, then train again."
            ) from error
    return folder
