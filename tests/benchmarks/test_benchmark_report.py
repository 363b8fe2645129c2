"""The cuts behind the plots of the report, and that every plot can be drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_world
import numpy as np
import pytest
import report_plots
import report_runs
from PIL import Image

from recsys.columns import EventLog
from recsys.evaluation.evaluate import replayed
from recsys.lifecycle.judging import window_of
from recsys.pipeline.load import load_dataset
from recsys.settings import Settings

INTERVAL = {"auc": (0.6, 0.8), "ndcg@10": (0.5, 0.7)}
POINT = {"auc": 0.7, "ndcg@10": 0.6, "confidence": INTERVAL}
ROWS: dict[str, list[dict[str, Any]]] = {
    "calibration": [
        {"predicted": x, "clicked": x, "low": x - 0.01, "high": x + 0.02, "log_loss": 0.2, "ece": 0.01}
        for x in (0.02, 0.1, 0.3)
    ],
    "roc": [{"name": "recsys", "auc": 0.8, "curve": [[0.1, 0.5], [0.4, 0.9]]}],
    "learning": [{"clicks": n, **POINT} for n in (100, 200, 400)],
    "ageing": [{"name": "recsys, trained once", "day": n, **POINT} for n in (1, 2, 3)],
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[report_runs.Log]:
    settings = Settings(home=tmp_path_factory.mktemp("report") / "home", _env_file=None)
    sessions = made_world.install(settings)
    with sessions() as session:
        data = load_dataset(session, {})
    yield report_runs.Log(settings, data, made_world.START, made_world.SPLIT, 0)
    sessions.kw["bind"].dispose()


def test_a_log_that_began_later_keeps_what_was_handed_over_and_nothing_else_from_before(log: report_runs.Log) -> None:
    whole, at = log.data.log, made_world.START + 2 * made_world.DAY
    cut = report_runs.begun(whole, at)
    assert 0 < len(cut.impressions) < len(whole.impressions)
    assert cut.impressions.known_at[0] >= at
    handed_over = whole.clicks.backfilled > 0
    assert (cut.clicks.backfilled > 0).sum() == handed_over.sum() > 0
    assert (cut.clicks.known_at[cut.clicks.backfilled > 0] == at).all()
    assert len(cut.clicks) == handed_over.sum() + (~handed_over & (whole.clicks.known_at >= at)).sum()
    assert (np.diff(cut.clicks.known_at) >= 0).all()


def test_a_log_that_began_at_its_beginning_is_the_log(log: report_runs.Log) -> None:
    whole = log.data.log
    same = report_runs.begun(whole, made_world.START)
    assert isinstance(same, EventLog)
    for found, expected in ((same.impressions, whole.impressions), (same.clicks, whole.clicks)):
        for name, column in vars(expected).items():
            np.testing.assert_array_equal(getattr(found, name), column, name)


def test_a_stretch_of_examples_is_judged_as_in_the_whole(log: report_runs.Log) -> None:
    examples = replayed(window_of(log.data, log.settings, log.split, None))
    part = examples.stretch(5, 12)
    assert len(part) == 7
    for name in ("user", "at", "position", "history"):
        np.testing.assert_array_equal(getattr(part, name), getattr(examples, name)[5:12])
    rows = slice(examples.offsets[5], examples.offsets[12])
    for name in ("keys", "labels", "features"):
        np.testing.assert_array_equal(getattr(part, name), getattr(examples, name)[rows])
    assert part.offsets[0] == 0
    assert part.offsets[-1] == len(part.keys)


@pytest.mark.parametrize("plot", list(ROWS))
def test_a_picture_is_small_and_has_something_on_it(plot: str, tmp_path: Path) -> None:
    path = tmp_path / f"{plot}.png"
    report_plots.draw([{"plot": plot, **row} for row in ROWS[plot]], "made rows", path)
    assert 5_000 < path.stat().st_size < 100_000
    assert len(Image.open(path).convert("RGB").getcolors(1 << 20)) > 20
