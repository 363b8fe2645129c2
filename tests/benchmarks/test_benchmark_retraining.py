"""The benchmark of retraining compares each way with the full training of the same day, paired over users."""

from types import SimpleNamespace

import numpy as np
import pytest
import retraining
from ebnerd import DAY
from retraining import FULL, NEVER, WARM, Measured

from recsys.domain import RecsysError
from recsys.evaluation.evaluate import Judged

USERS = np.array([1, 1, 2, 3])


def measured(name: str, day: int, ndcg: list[float], seconds: float | None = None) -> Measured:
    figures = {"auc": np.array([0.5, np.nan, 0.7, 0.9]), "ndcg@10": np.array(ndcg)}
    stages = None if seconds is None else {"replay": seconds / 4, "towers": 3 * seconds / 4}
    return Measured(name, day, Judged(figures, USERS, {"log_loss": 0.3, "ece": 0.01}), seconds, stages)


@pytest.fixture
def done() -> list[Measured]:
    """Two days, on which the warm start is 0.1 and then 0.2 better, and the old model 0.3 worse."""
    full = [0.5, 0.6, 0.7, 0.4]
    better = {1: 0.1, 2: 0.2}
    found: list[Measured] = []
    for day, gain in better.items():
        found += [
            measured(FULL, day, full, 40.0),
            measured(WARM, day, [value + gain for value in full], 8.0 * day),
            measured(NEVER, day, [value - 0.3 for value in full]),
        ]
    return found


def test_a_row_tells_one_model_on_one_day(done: list[Measured]) -> None:
    row = done[0].row
    assert (row["table"], row["name"], row["day"], row["impressions"]) == (retraining.DAYS, FULL, 1, 4)
    assert row["auc"] == pytest.approx(0.7)  # of the lists that have one
    assert row["ndcg@10"] == pytest.approx(0.55)
    low, high = row["confidence"]["ndcg@10"]
    assert low <= 0.55 <= high
    assert (row["log_loss"], row["ece"], row["seconds_to_train"]) == (0.3, 0.01, 40.0)
    assert done[2].row["seconds_to_train"] is None


def test_each_way_is_compared_with_the_full_training_of_its_day(done: list[Measured]) -> None:
    rows = {(row["name"].split(" − ")[0], row["day"]): row for row in retraining.differences(done)}
    assert set(rows) == {(name, day) for name in (WARM, NEVER) for day in ("1", "2", "all")}
    for where, gain in {(WARM, "1"): 0.1, (WARM, "2"): 0.2, (WARM, "all"): 0.15, (NEVER, "all"): -0.3}.items():
        assert rows[where]["ndcg@10"] == pytest.approx(gain)
        assert rows[where]["auc"] == pytest.approx(0)
    assert rows[WARM, "1"]["confidence"]["ndcg@10"] == pytest.approx((0.1, 0.1))  # the same gain in every list
    assert rows[WARM, "1"]["share_of_seconds"] == 0.2
    assert rows[WARM, "all"]["share_of_seconds"] == 0.3
    assert rows[NEVER, "all"]["share_of_seconds"] is None


def test_stages_are_means_over_the_days(done: list[Measured]) -> None:
    warm = retraining.stages(WARM, [one for one in done if one.name == WARM])
    assert warm == {"table": retraining.STAGES, "name": WARM, "replay": 3.0, "towers": 9.0, "all": 12.0}


def test_days_that_were_not_measured_alike_are_not_compared(done: list[Measured]) -> None:
    with pytest.raises(ValueError, match="zip"):
        list(retraining.differences(done[:-1]))
    other = measured(WARM, 1, [np.nan, 0.6, 0.7, 0.4], 8.0)
    with pytest.raises(RecsysError, match="different impressions"):
        list(retraining.differences([done[0], other, done[2]]))


class MadeWeek:
    """A week whose log begins a minute after the hour, and of whose trainings is only noted which there were."""

    def __init__(self, begin: float) -> None:
        impressions = SimpleNamespace(known_at=np.array([begin + 60.0]))
        self.whole = SimpleNamespace(log=SimpleNamespace(impressions=impressions))
        self.trained: list[str | None] = []
        self.judged: list[tuple[str, float]] = []


def test_a_warm_start_goes_on_from_the_day_before_and_the_old_model_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = 500 * DAY
    made = MadeWeek(begin)

    def trained(week: MadeWeek, until: float, _seed: int, start: str | None) -> tuple[str, SimpleNamespace]:
        week.trained.append(start)
        name = f"{'warm' if start else 'full'}-{(until - begin) / DAY:.0f}"
        return name, SimpleNamespace(seconds={"all": 1.0})

    def judged(week: MadeWeek, version: str, at: float) -> Judged:
        week.judged.append((version, (at - begin) / DAY))
        return measured("", 0, [0.5] * 4).judged

    monkeypatch.setattr(retraining, "_trained", trained)
    monkeypatch.setattr(retraining, "_judged", judged)
    done = list(retraining.measured(made, seed=0, days=2))  # type: ignore[arg-type]
    assert [(one.name, one.day) for one in done] == [(name, day) for day in (4, 5) for name in (FULL, WARM, NEVER)]
    assert made.judged == [
        ("full-3", 3), ("warm-3", 3), ("full-2", 3), ("full-4", 4), ("warm-4", 4), ("full-2", 4),
    ]  # fmt: skip
    assert made.trained == [None, None, "full-2", None, "warm-3"]
