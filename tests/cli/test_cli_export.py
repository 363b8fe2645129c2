"""``recsys export``: every kind in both formats, what it refuses, and that previews train nothing."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from cli_commands import Cli
from made_world import LISTS, NOBODY, NOW, USERS

from recsys.database.session import open_sessions
from recsys.database.tables import ServedRow
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings

AT = rfc3339(NOW)


class TestOnASite:
    @pytest.fixture(autouse=True)
    def _on_the_site(self, site: Settings) -> None:
        """Every test here has a copy of the made world."""

    def test_the_log_travels_to_another_home(self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        counts = {
            what: cli.json("export", what, tmp_path / "log" / f"{what}.{ending}")["rows"]
            for what, ending in (("articles", "parquet"), ("impressions", "jsonl"), ("clicks", "parquet"))
        }
        assert counts["impressions"] == LISTS
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "other"))
        cli.json("init")
        imported = cli.json("import", "table", tmp_path / "log")
        assert {what: imported[what] for what in counts} == counts
        assert imported["refused"] == {}

    def test_recommendations_are_those_of_the_command(self, cli: Cli, site: Settings, tmp_path: Path) -> None:
        path = tmp_path / "letters.parquet"
        assert cli.json("export", "recommendations", path, "-n", 4, "--at", AT)["rows"] == 4 * USERS
        rows = pq.read_table(path).to_pylist()
        alone = cli.json("recommend", "u07", "-n", 4, "--at", AT)
        mine = [row for row in rows if row["user_id"] == "u07"]
        assert {row["article_id"] for row in mine} == {item["article_id"] for item in alone["items"]}
        assert [row["score"] for row in mine] == pytest.approx([item["score"] for item in alone["items"]], abs=1e-4)
        assert {row["model_version"] for row in mine} == {alone["model_version"]}
        with open_sessions(site)() as session:
            assert session.query(ServedRow).count() == 0

    def test_for_some_readers_today(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "readers.txt").write_text(f"\ufeffu02\r\n\n{NOBODY}\nu02\na\u2028b\n", encoding="utf-8")
        said = cli.run("export", "recommendations", tmp_path / "letters.jsonl", "--users", tmp_path / "readers.txt")
        assert said.code == 0
        assert "30 rows" in said.out
        lines = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().split("\n") if line]
        assert [line["user_id"] for line in lines] == ["u02"] * 10 + [NOBODY] * 10 + ["a\u2028b"] * 10
        assert "cannot be read" in cli.fails("export", "recommendations", "r.jsonl", "--users", tmp_path / "none.txt")

    def test_vectors_of_encoders_and_of_the_model(self, cli: Cli, tmp_path: Path) -> None:
        assert cli.json("export", "vectors", tmp_path / "vectors.parquet")["rows"] > 140
        for view in ("fused", "content"):
            assert cli.json("export", "vectors", tmp_path / f"{view}.parquet", "--by", view)["rows"] > 70
        dims = {
            name: {len(vector) for vector in pq.read_table(tmp_path / f"{name}.parquet")["vector"].to_pylist()}
            for name in ("vectors", "fused")
        }
        assert dims == {"vectors": {384, 1280}, "fused": {64}}

    def test_where_nothing_can_be_written(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        assert "cannot be written" in cli.fails("export", "clicks", tmp_path / "file" / "clicks.parquet")


class TestRefusals:
    def test_without_a_model(self, cli: Cli, tmp_path: Path) -> None:
        cli.json("init")
        assert "recsys train" in cli.fails("export", "recommendations", tmp_path / "letters.parquet")
        assert not (tmp_path / "letters.parquet").exists()
        assert cli.json("export", "clicks", tmp_path / "clicks.parquet") == {"rows": 0}

    def test_without_a_database(self, cli: Cli) -> None:
        assert "recsys init" in cli.fails("export", "articles", "articles.parquet")

    def test_another_ending(self, cli: Cli) -> None:
        assert ".parquet nor .jsonl" in cli.fails("export", "articles", "articles.csv")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("users", "u.parquet"),
            ("articles",),
            ("articles", "a.parquet", "--at", AT),
            ("clicks", "c.parquet", "-n", "3"),
            ("recommendations", "r.parquet", "-n", "0"),
            ("recommendations", "r.parquet", "--by", "fused"),
            ("vectors", "v.parquet", "--by", "smell"),
        ],
    )
    def test_wrong_usage(self, cli: Cli, arguments: tuple[str, ...]) -> None:
        cli.fails("export", *arguments, code=2)
