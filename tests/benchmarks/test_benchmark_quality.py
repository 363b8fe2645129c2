import json
from pathlib import Path

import pytest
import quality


def test_rows_are_told_by_table_with_the_seconds_last() -> None:
    rows = [
        {"table": "A", "name": "one", "auc": 0.5, "seconds_to_train": 1.0, "confidence": {}, "impressions": 3},
        {"table": "B", "name": "other", "r@10": 0.1},
        {"table": "A", "name": "two", "auc": 0.6, "ece": 0.1},
    ]
    found = quality.tables(rows)
    assert {title: [row["name"] for row in some] for title, some in found.items()} == {
        "A": ["one", "two"],
        "B": ["other"],
    }
    assert quality.columns(found["A"]) == ["name", "auc", "ece", "seconds_to_train"]
    assert quality.columns(found["B"]) == ["name", "r@10"]


def test_a_command_prints_its_tables_and_writes_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"table": "made table", "name": "made row", "auc": 0.75, "seconds_to_train": 2.0}
    monkeypatch.setattr(quality, "run_movielens", lambda options, home: iter([row]))
    monkeypatch.setattr(
        "sys.argv", ["quality.py", "movielens", str(tmp_path), "--threads", "1", "--json", str(tmp_path / "rows.json")]
    )
    quality.main()
    printed = capsys.readouterr().out
    assert "made table" in printed
    assert ".750" in printed
    assert json.loads((tmp_path / "rows.json").read_text())["rows"] == [row]


def test_a_folder_that_is_no_log_ends_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["quality.py", "movielens", str(tmp_path), "--threads", "1"])
    with pytest.raises(SystemExit) as ended:
        quality.main()
    assert str(tmp_path) in str(ended.value)
