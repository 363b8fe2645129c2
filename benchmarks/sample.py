"""Shows that the effects planted in the synthetic sample are recovered: ``python benchmarks/sample.py [--json FILE]``.

Pictures and titles: the model is trained again with the vectors of one modality dealt out anew among the articles, and
must lose nDCG@10. Freshness and popularity: the trained model's inputs of that kind are dealt out anew among the rows,
and it must lose. Position: clicks by place, beside what the model, which does not know the place, expected there.
"""

import argparse
import json
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from modalities import permuted
from rich.console import Console

from recsys.columns import between
from recsys.database.session import open_sessions, upgrade
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.device import set_threads
from recsys.evaluation import metrics
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.evaluation.evaluate import Judged, evaluate_shown, replayed, scores
from recsys.evaluation.report import table
from recsys.features.examples import Examples
from recsys.features.features import AGES, COUNTERS, FEATURES, SHARES
from recsys.ingest.importer import import_path
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.judging import window_of
from recsys.pipeline.content import Content
from recsys.pipeline.load import Dataset, load_dataset, signatures
from recsys.pipeline.model import Model
from recsys.settings import Settings, bundled
from recsys.training.fit import TrainingSet, fit
from recsys.training.towers import FitConfig

DAY = 86400.0
TEST_DAYS = 4
PLACES = 10

Row = dict[str, Any]


def main() -> None:
    """Run it, print the table and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(Settings(home=Path(folder), database_url=""), options.seed)
    console = Console(width=150)
    console.print("The sample is synthetic.")
    console.print(table(rows, list(dict.fromkeys(name for row in rows for name in row if name != "confidence"))))
    if options.json:
        document = {"rows": rows, "machine": platform.machine(), "seconds": round(time.perf_counter() - started, 1)}
        options.json.write_text(json.dumps(document, indent=1))


def _rows(settings: Settings, seed: int) -> list[Row]:
    set_threads(settings)
    data = load(settings)
    split = split_of(data)
    window = window_of(data, settings, split, None)
    whole = trained(settings, data, split, seed)
    intact = evaluate_shown(whole, window)
    rows = [{"name": "intact", "auc": intact.summary["auc"], "ndcg@10": intact.summary["ndcg@10"]}]
    for name in ("image", "title"):
        mixed = with_content(data, permuted(data.content, name))
        blind = evaluate_shown(trained(settings, mixed, split, seed), window_of(mixed, settings, split, None))
        rows.append(_loss(f"{name}s permuted, trained again", intact, blind))
    examples = replayed(window)
    for name, columns in {"freshness": AGES, "popularity": COUNTERS + SHARES}.items():
        rows.append(_loss(f"{name} inputs permuted", intact, _judged(whole, _mixed(examples, columns))))
    return rows + _by_place(whole, examples)


def load(settings: Settings) -> Dataset:
    """The bundled sample, imported and encoded in the home of the settings."""
    upgrade(settings)
    sessions = open_sessions(settings)
    import_path(sessions, "table", bundled("sample"))
    encode_new(sessions, load_encoders(settings))
    with sessions() as session:
        return load_dataset(session, expected_ids(settings))


def split_of(data: Dataset) -> float:
    """The midnight before the last TEST_DAYS."""
    return float(np.ceil(data.log.impressions.known_at[-1] / DAY) * DAY) - TEST_DAYS * DAY


def trained(settings: Settings, data: Dataset, until: float, seed: int, towers: FitConfig = FitConfig()) -> Model:
    """The product's own training on what was known before ``until``."""
    known = replace(data, log=between(data.log, -np.inf, until))
    training = TrainingSet.of(known, settings, expected_ids(settings), until=until)
    return fit(training, version="benchmark", seed=seed, towers=towers)


def with_content(data: Dataset, content: Content) -> Dataset:
    """The same log with other vectors of its articles, wherever they are used."""
    attributes = data.attributes._replace(signatures=signatures(content, content.rows))
    return replace(data, content=content, attributes=attributes)


def _mixed(examples: Examples, names: tuple[str, ...]) -> Examples:
    features = examples.features.copy()
    columns = [FEATURES.index(name) for name in names]
    features[:, columns] = features[np.random.default_rng(0).permutation(len(features))][:, columns]
    return replace(examples, features=features)


def _judged(model: Model, examples: Examples) -> Judged:
    logits, _ = scores(model, examples)
    figures = metrics.list_metrics(examples.offsets, examples.labels, logits)
    return Judged(figures, examples.user, {name: metrics.mean(values) for name, values in figures.items()})


def _loss(name: str, intact: Judged, other: Judged) -> Row:
    lost, low, high = paired_bootstrap(intact.figures["ndcg@10"], other.figures["ndcg@10"], intact.users)
    row = {"name": name, "auc": other.summary["auc"], "ndcg@10": other.summary["ndcg@10"], "ndcg@10 lost": lost}
    return {**row, "confidence": {"ndcg@10 lost": (low, high)}}


def _by_place(model: Model, examples: Examples) -> list[Row]:
    _, probabilities = scores(model, examples)
    place = np.arange(len(examples.keys)) - np.repeat(examples.offsets[:-1], np.diff(examples.offsets))
    rows = []
    for p in range(PLACES):
        clicked, expected = examples.labels[place == p].mean(), probabilities[place == p].mean()
        rows.append({"name": f"place {p + 1}", "clicked": float(clicked), "expected without place": float(expected)})
    return rows


if __name__ == "__main__":
    main()
