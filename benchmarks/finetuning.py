"""What a fine-tuned title encoder gives, and costs: ``python benchmarks/finetuning.py movielens DIR|sample``.

``movielens``: protocol B of ``quality.py``. The encoder is tuned for each protocol, hold-out and seed on the very
clicks that may be trained on, so films of a hold-out are in none of its pairs. ``sample``: as ``recsys train
--finetune-title`` and ``recsys evaluate``, on all but the last four days of the synthetic sample.

``--steps``, ``--rate``, ``--layers``, ``--anchor`` and ``--temperature`` try other settings; do that with
``--development``, which sees the training clicks of protocol B alone, split as the whole is and with other hold-outs.
"""

import argparse
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import movielens
import movielens_rows
import numpy as np
import sample
import torch
from movielens import Events, Films, Scores
from movielens_rows import Measured, Method, measured, two_towers
from options import add_common
from peers.items import content_knn
from quality import write_json
from rich.console import Console

from recsys.columns import Floats32
from recsys.database import articles
from recsys.database.session import open_sessions
from recsys.domain import Article, RecsysError
from recsys.encoders import expected_ids, load_encoders
from recsys.encoders.finetune import TuneConfig, fine_tune, save
from recsys.encoders.source import text_source
from recsys.encoders.text import TitleEncoder
from recsys.encoders.text_model import TextModel
from recsys.evaluation.bootstrap import paired_bootstrap
from recsys.evaluation.evaluate import Judged, evaluate_shown
from recsys.evaluation.report import table
from recsys.lifecycle.coclicks import co_clicks
from recsys.lifecycle.encode import encode_new
from recsys.lifecycle.finetune import finetune_title, text_pairs, tuning_end
from recsys.lifecycle.judging import window_of
from recsys.pipeline.content import Content
from recsys.pipeline.load import load_content
from recsys.settings import PACKAGED_TEXT_ENCODER, Settings

DEVELOPMENT_SEED = 100  # of its hold-outs
SHOWN = ("auc", "ndcg@5", "ndcg@10", "log_loss")

Row = dict[str, Any]


def main() -> None:
    """Parse the command, run it, print its table and write its JSON."""
    options = _parser().parse_args()
    started = time.perf_counter()
    torch.set_num_threads(options.threads)
    config = TuneConfig(**{f.name: getattr(options, f.name) for f in fields(TuneConfig) if hasattr(options, f.name)})
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for row in options.run(options, options.home or Path(folder), config):
                rows.append(row)
                Console(stderr=True).print(row)
    except RecsysError as error:
        sys.exit(str(error))
    hidden = ("table", "confidence")
    Console(width=190).print(table(rows, [n for n in dict.fromkeys(k for r in rows for k in r) if n not in hidden]))
    if options.json:
        write_json(options.json, rows, options.threads, round(time.perf_counter() - started, 1))


@dataclass
class TunedFilms:
    """Content with tuned titles for each set of test events and seed, made when first asked for."""

    films: Films
    found: list[Article]  # of ``films.keys``
    config: TuneConfig
    made: dict[tuple[int, int], Content] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # of this process's CPU time

    def content(self, test: Events, seed: int) -> Content:
        """Tuned on what this test may be trained on."""
        place = id(test), seed
        if place not in self.made:
            started = time.process_time()
            vectors = self._vectors(test, seed)
            self.seconds.append(time.process_time() - started)
            titles = self.films.content.vectors["title"].copy()
            titles[self.films.keys] = vectors
            self.made[place] = replace(self.films.content, vectors={**self.films.content.vectors, "title": titles})
        return self.made[place]

    def _vectors(self, test: Events, seed: int) -> Floats32:
        pairs = co_clicks(test.train, until=self.films.split + 1, seed=seed)[: self.config.steps * self.config.batch]
        reader = TitleEncoder(TextModel())
        used = set(np.unique(pairs).tolist())
        films = zip(self.films.keys.tolist(), self.found, strict=True)
        texts, rows = text_pairs(pairs, {key: reader.text(film) for key, film in films if key in used})
        tuned = fine_tune(text_source(PACKAGED_TEXT_ENCODER, ""), texts, rows, config=self.config, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            save(tuned, Path(folder))
            return TitleEncoder(TextModel(folder)).encode(self.found)[0]


def run_movielens(options: argparse.Namespace, home: Path, config: TuneConfig) -> Iterator[Row]:
    """Content kNN and the two towers, with the frozen and with the fine-tuned titles."""
    films = movielens.load(options.folder, home, options.titles)
    with open_sessions(Settings(home=home, database_url=""))() as session:
        by_key = articles.articles_by_key(session, films.keys.tolist())
    films = development(films) if options.development else films
    tuned = TunedFilms(films, [by_key[key] for key in films.keys.tolist()], config)
    tests = {"G": [movielens.warm(films)], "C": [movielens.cold(films, i) for i in range(len(films.cold))]}
    frozen = functools.partial(_frozen, films)
    done: dict[str, Measured] = {}
    for name, content in {"frozen": frozen, "fine-tuned": tuned.content}.items():
        for method in _methods(films, name, content, options.seeds):
            done[method.name] = measured(method, tests)
            yield movielens_rows.row(done[method.name], tests)
    for name in ("content kNN, title", "two towers"):
        yield _difference(name, done, tests)
    yield {"name": "one tuning and encoding", "cpu_seconds": round(float(np.mean(tuned.seconds)), 1)}


def development(films: Films) -> Films:
    """The training clicks alone, with other hold-outs."""
    clicks = movielens.take(films.clicks, films.clicks.at <= films.split)
    size = int(len(films.keys) * movielens.COLD_SHARE)
    draws = [np.random.default_rng(DEVELOPMENT_SEED + number) for number in range(2)]
    return replace(films, clicks=clicks, cold=tuple(draw.choice(films.keys, size, replace=False) for draw in draws))


def _frozen(films: Films, _test: Events, _seed: int) -> Content:
    return films.content


def _methods(films: Films, name: str, content: Callable[[Events, int], Content], seeds: int) -> Iterator[Method]:
    def knn(test: Events, seed: int, weight: float) -> Scores:
        return content_knn(content(test, seed), weight)

    def towers(test: Events, seed: int) -> Scores:
        return two_towers(films, content(test, seed), test, seed)

    for title, weight in {"title": 0.0, "title + image": movielens_rows.IMAGE_WEIGHT}.items():
        maker = functools.partial(knn, weight=weight)
        yield Method(f"content kNN, {title}, {name}", {"G": maker, "C": maker}, 1 if name == "frozen" else seeds)
    yield Method(f"two towers, {name}", {"G": towers, "C": towers}, seeds)


def _difference(name: str, done: dict[str, Measured], tests: movielens_rows.Tests) -> Row:
    """What the tuning changed in nDCG@10, paired over users."""
    row: Row = {"name": f"{name}: gained", "confidence": {}}
    for kind, events in tests.items():
        after, before = (done[f"{name}, {which}"].values(kind, "ndcg@10") for which in ("fine-tuned", "frozen"))
        gain, low, high = paired_bootstrap(after, before, np.concatenate([test.user for test in events]))
        row |= {f"{kind}_ndcg@10": round(gain, 4)}
        row["confidence"][f"{kind}_ndcg@10"] = (low, high)
    return row


def run_sample(options: argparse.Namespace, home: Path, config: TuneConfig) -> Iterator[Row]:
    """The whole model on the sample: frozen titles, tuned ones, and what tuning on the head's newest lists would do."""
    settings = Settings(home=home, database_url="")
    data = sample.load(settings)
    sessions, split = open_sessions(settings), sample.split_of(data)
    ends = {
        "frozen": None,
        "fine-tuned": tuning_end(sessions, settings, None, split),
        "fine-tuned on the newest lists too": split,
    }
    judged: dict[str, list[Judged]] = {}
    for name, until in ends.items():
        seconds = []
        for seed in range(options.seeds):
            started, own = time.process_time(), data
            if until is not None:
                made = finetune_title(sessions, settings, until=until, seed=seed, config=config)
                tuned = settings.model_copy(update={"title_encoder": str(made.folder)})
                encode_new(sessions, load_encoders(tuned))
                with sessions() as session:
                    own = sample.with_content(
                        data, load_content(session, expected_ids(tuned), np.arange(data.content.rows))
                    )
            seconds.append(time.process_time() - started)
            model = sample.trained(settings, own, split, seed)
            judged.setdefault(name, []).append(evaluate_shown(model, window_of(own, settings, split, None)))
        yield _row_of_sample(name, judged, round(float(np.mean(seconds)), 1))


def _row_of_sample(name: str, judged: dict[str, list[Judged]], seconds: float) -> Row:
    """Means over seeds, and the change of nDCG@10 against the frozen titles, paired over users."""
    row: Row = {"name": name, **{f: round(float(np.mean([one.summary[f] for one in judged[name]])), 4) for f in SHOWN}}
    after, before = (np.mean([one.figures["ndcg@10"] for one in judged[which]], axis=0) for which in (name, "frozen"))
    gain, low, high = paired_bootstrap(after, before, judged[name][0].users)
    return {**row, "gained": round(gain, 4), "confidence": {"gained": (low, high)}, "cpu_seconds_to_tune": seconds}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    films = commands.add_parser("movielens", help="protocol B")
    films.add_argument("folder", type=Path)
    films.add_argument("--titles", choices=["gtitle", "title", "noyear"], default="gtitle")
    films.add_argument("--development", action="store_true", help="on the training clicks alone")
    films.set_defaults(run=run_movielens)
    made = commands.add_parser("sample", help="the bundled synthetic sample")
    made.set_defaults(run=run_sample)
    for command in (films, made):
        add_common(command, threads=1)
        for name in ("layers", "steps", "batch"):
            command.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
        for name in ("rate", "anchor", "temperature", "log-q"):
            command.add_argument(f"--{name}", type=float, default=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
