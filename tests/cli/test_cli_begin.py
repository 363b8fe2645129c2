"""From nothing: the schema, the log, and what is said when something is not there yet."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_commands import Cli
from typer import BadParameter

from recsys.cli.output import parse_time, print_json
from recsys.database.session import open_sessions, upgrade
from recsys.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log in the project's own table format: 3 articles, 4 lists of which one is nonsense, 2 clicks."""
    path = tmp_path / "log"
    path.mkdir()
    at = [float(1_700_000_000 + hour * 3600) for hour in range(4)]
    pd.DataFrame({"article_id": ["a", "b", "c"], "title": ["One", "Two", None]}).to_parquet(path / "articles.parquet")
    lists = {"impression_id": ["1", "2", "3", "4"], "user_id": ["u"] * 4, "at": at, "items": [["a", "b"]] * 3 + [[]]}
    pd.DataFrame(lists).to_parquet(path / "impressions.parquet")
    clicks = {"event_id": ["x", "y"], "user_id": ["u", "u"], "article_id": ["a", "b"], "at": at[:2]}
    pd.DataFrame(clicks).to_parquet(path / "clicks.parquet")
    return path


def test_init_says_the_revision_each_time(cli: Cli) -> None:
    first = cli.json("init")
    assert first.keys() == {"revision"}
    assert cli.json("init") == first
    assert f"at revision {first['revision']}" in cli.run("init").out
    assert (cli.home / "recsys.db").is_file()


def test_import_counts_and_is_idempotent(cli: Cli, folder: Path) -> None:
    cli.run("init")
    first = cli.json("import", "table", folder)
    assert {"articles": 3, "impressions": 3, "clicks": 2}.items() <= first.items()
    assert first["refused"] == {"the list is empty": 1}
    assert first["new"] == {"articles": 3, "impressions": 3, "clicks": 2}
    assert cli.json("import", "table", folder)["new"] == {"articles": 0, "impressions": 0, "clicks": 0}
    said = cli.run("import", "table", folder)
    assert "3 articles, 3 impressions, 2 clicks" in said.out
    assert "refused 1: the list is empty" in said.out


def test_import_of_a_window(cli: Cli, folder: Path) -> None:
    cli.run("init")
    window = ("--since", "2023-11-14T23:13:20Z", "--until", "2023-11-15 00:13:20")
    document = cli.json("import", "table", folder, *window)
    assert (document["impressions"], document["clicks"]) == (1, 1)


def test_import_of_ratings(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Alpha (1999),Drama\n2,Beta (2001),Comedy\n")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n7,1,5,1000000000\n7,2,2,1000000100\n")
    cli.run("init")
    document = cli.json("import", "movielens", tmp_path)
    assert (document["articles"], document["impressions"], document["clicks"]) == (2, 0, 2)


@pytest.mark.parametrize("kind", ["table", "movielens", "ebnerd"])
def test_import_of_what_is_not_there(cli: Cli, tmp_path: Path, kind: str) -> None:
    cli.run("init")
    cli.fails("import", kind, tmp_path / "no [/] folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "table", "."), ("encode",), ("train",), ("evaluate", "--since", "2026-01-01"), ("retrain",),
        ("models",), ("promote", "x"), ("rollback",), ("recommend", "u"), ("similar", "a"), ("serve",),
    ],
)  # fmt: skip
def test_without_a_schema_every_command_says_what_to_do(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert "run `recsys init`" in cli.fails(*arguments)


class TestAnEmptyDatabase:
    @pytest.fixture(autouse=True)
    def _schema(self, cli: Cli) -> None:
        upgrade(Settings(home=cli.home, _env_file=None))

    def test_there_is_no_model(self, cli: Cli) -> None:
        assert cli.json("models") == {"versions": [], "live": None, "experiment": None}
        assert "There is no model yet" in cli.run("models").out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("train",), "The log is empty"),
            (("retrain",), "no impression to judge"),
            (("evaluate", "--since", "2026-01-01"), "no model yet"),
            (("recommend", "u"), "No model is live yet"),
            (("similar", "a"), "No model is live yet"),
            (("promote", "x"), "no model version"),
            (("rollback",), "no earlier live model"),
        ],
    )
    def test_it_says_what_is_missing(self, cli: Cli, arguments: tuple[str, ...], sentence: str) -> None:
        assert sentence in cli.fails(*arguments)

    def test_nothing_to_encode(self, cli: Cli) -> None:
        document = cli.json("encode")
        assert {"encoded", "cached", "missing"} <= document.keys()
        assert document["encoded"] == {"title": 0, "image": 0}


class TestWrongUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("frobnicate",),
            ("recommend",),
            ("recommend", ""),
            ("recommend", "u" * 129),
            ("similar", ""),
            ("recommend", "u", "-n", "0"),
            ("recommend", "u", "-n", "many"),
            ("recommend", "u", "--at", "yesterday"),
            ("import", "parquet", "."),
            ("evaluate",),
            ("evaluate", "--since", "2026-13-01"),
            ("train", "--until", "soon"),
            ("serve", "--workers", "0"),
        ],
    )
    def test_it_is_explained_and_exits_with_2(self, cli: Cli, arguments: tuple[str, ...]) -> None:
        cli.fails(*arguments, code=2)

    @pytest.mark.parametrize("command", ["recommend", "similar", "promote"])
    def test_an_id_that_is_no_text(self, cli: Cli, site: Settings, command: str) -> None:
        assert r"'\udcff' cannot be written as UTF-8" in cli.fails(command, "\udcff")

    def test_a_time_that_is_none_is_shown_an_example(self, cli: Cli) -> None:
        assert "2026-03-22T07:00:00Z" in cli.fails("train", "--until", "soon", code=2)


class TestSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("RECSYS_DIVERSITY", "7"),
            ("RECSYS_DEVICE", "toaster"),
            ("RECSYS_SECTION_CAP", "[/]"),
            ("RECSYS_THREADS", "99999999999"),
            ("RECSYS_LIVE_HOURS", "inf"),
            ("RECSYS_LIVE_HOURS", "nan"),
            ("RECSYS_SERVED_IS_SEEN", "perhaps"),
            ("RECSYS_PROMOTE_MARGIN", ""),
        ],
    )
    def test_one_that_cannot_be_is_named(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        said = cli.fails("models")
        assert name in said
        assert value in said

    def test_a_database_that_cannot_be_used(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RECSYS_DATABASE_URL", "nonsense")
        assert "RECSYS_DATABASE_URL" in cli.fails("models")

    def test_a_file_that_is_no_database(self, cli: Cli) -> None:
        cli.home.mkdir()
        (cli.home / "recsys.db").write_bytes(b"a picture of a database" * 100)
        for command in ("init", "models"):
            assert "recsys.db" in cli.fails(command)

    def test_the_home_may_have_any_name(self, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        home = tmp_path / "Ünïcode [/b] 100% home"
        monkeypatch.setenv("RECSYS_HOME", str(home))
        assert "[/b] 100% home" in cli.run("init").out
        assert cli.json("models")["live"] is None
        open_sessions(Settings(home=home, _env_file=None)).kw["bind"].dispose()

    def test_a_dotenv_file_of_other_characters(self, cli: Cli) -> None:
        Path(".env").write_bytes("RECSYS_HOME=\u00fcber".encode("latin-1"))
        assert ".env file of this folder is not UTF-8" in cli.fails("models")

    def test_a_password_is_not_shown(self, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("RECSYS_DATABASE_URL", "postgresql+psycopg://me:secret@127.0.0.1:1/news")
        said = cli.fails("init")
        assert "me:***@127.0.0.1" in said
        assert "secret" not in said

    def test_a_dotenv_file(self, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("RECSYS_HOME")
        Path(".env").write_text("RECSYS_HOME=elsewhere\n")
        cli.json("init")
        assert (tmp_path / "elsewhere" / "recsys.db").is_file()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-22T07:00:00Z", datetime(2026, 3, 22, 7, tzinfo=UTC)),
        ("2026-03-22T07:00:00+02:00", datetime(2026, 3, 22, 5, tzinfo=UTC)),
        ("2026-03-22 07:00", datetime(2026, 3, 22, 7, tzinfo=UTC)),
        ("2026-03-22T07:00:00.250Z", datetime(2026, 3, 22, 7, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-22", datetime(2026, 3, 22, tzinfo=UTC)),
    ],
)
def test_times_without_a_zone_are_utc(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment.timestamp()


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00", "1950-01-01", "noon"])
def test_times_that_no_log_holds_are_wrong_usage(text: str) -> None:
    with pytest.raises(BadParameter, match=r"1970 and 2200|not a time"):
        parse_time(text)


def test_figures_that_do_not_exist_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"auc": float("nan"), "n": np.int64(3), "pair": (1.5, float("inf")), 7: "ä"})
    assert json.loads(capsys.readouterr().out) == {"auc": None, "n": 3, "pair": [1.5, None], "7": "ä"}
