"""Commands on a home that holds a log and a model: what they say for programs and for people."""

import made_training
import made_world
import numpy as np
import pytest
from cli_commands import Cli
from made_world import DAY, END, NOBODY, NOW, SPLIT

from recsys.database import articles, events, models
from recsys.database.session import open_sessions, writing
from recsys.domain import Article, Click
from recsys.lifecycle.versions import rfc3339
from recsys.settings import Settings

AT = rfc3339(NOW)
LINE = {"article_id", "title", "section", "image_url", "published_at", "position", "score", "source"}

EXPLAINED = {"because", "modalities", "features", "because_of", "shapley", "moved_by"}


@pytest.fixture(autouse=True)
def _on_the_site(site: Settings) -> None:
    """Every test here has a copy of the made world."""


def live_version(settings: Settings) -> str | None:
    with open_sessions(settings)() as session:
        return models.live_version(session)


class TestRecommend:
    def test_it_says_what_the_api_says(self, cli: Cli, site: Settings) -> None:
        document = cli.json("recommend", "u01", "--at", AT)
        assert document.keys() == {"user_id", "model_version", "impression_id", "items"}
        assert document["user_id"] == "u01"
        assert document["model_version"] == live_version(site)
        assert document["impression_id"] is None  # a look at the answer is no answer to a reader
        assert len(document["items"]) == 10
        for place, line in enumerate(document["items"]):
            assert line.keys() == LINE
            assert line["position"] == place + 1
            assert 0 < line["score"] < 1
            assert line["published_at"].endswith("Z")

    def test_today(self, cli: Cli) -> None:
        assert len(cli.json("recommend", NOBODY)["items"]) == 10

    @pytest.mark.parametrize("n", [1, 3])
    def test_as_many_as_asked_for(self, cli: Cli, n: int) -> None:
        assert len(cli.json("recommend", "u01", "-n", n, "--at", AT)["items"]) == n

    def test_with_explanations(self, cli: Cli) -> None:
        items = cli.json("recommend", "u01", "--explain", "--at", AT)["items"]
        assert all(line["explanation"].keys() == EXPLAINED for line in items)

    def test_the_past_knows_nothing_of_what_came_later(self, cli: Cli, site: Settings) -> None:
        earlier = NOW - 2 * DAY
        before = cli.json("recommend", "u01", "--at", rfc3339(earlier))
        assert before["items"] != cli.json("recommend", "u01", "--at", AT)["items"]
        assert all(line["published_at"] <= rfc3339(earlier) for line in before["items"])
        with writing(open_sessions(site)) as session:
            events.add_clicks(session, [Click("late", "u01", before["items"][0]["article_id"], NOW)])
        assert cli.json("recommend", "u01", "--at", rfc3339(earlier)) == before

    def test_for_people(self, cli: Cli) -> None:
        said = cli.run("recommend", "u01", "--explain", "--at", AT)
        assert said.code == 0
        for word in ("u01", "P(click)", "because you read", "politics"):
            assert word in said.out

    def test_titles_are_printed_as_they_are(self, cli: Cli, site: Settings) -> None:
        """Square brackets mean something to the library that prints tables."""
        loud = Article("loud", title="[VIDEO] The [/bold] goal [red]", section="[sport]", published_at=NOW - 1)
        with writing(open_sessions(site)) as session:
            articles.put_articles(session, [loud])
            made_world.put_vectors(session, [loud], _encoders(site))
        said = cli.run("recommend", NOBODY, "-n", 50, "--at", AT)
        assert "[VIDEO] The [/bold] goal [red]" in said.out
        assert "[sport]" in said.out
        assert "[VIDEO] The [/bold] goal [red]" in cli.run("similar", "a79", "-n", 90, "--by", "title").out
        assert cli.run("recommend", "[/bold]", "--at", AT).code == 0


def _encoders(settings: Settings) -> dict[str, str]:
    from recsys.encoders import expected_ids

    return expected_ids(settings)


class TestSimilar:
    @pytest.mark.parametrize("by", ["fused", "title", "image"])
    def test_it_says_what_the_api_says(self, cli: Cli, by: str) -> None:
        document = cli.json("similar", "a79", "-n", 5, "--by", by)
        assert document.keys() == {"article_id", "by", "items"}
        assert (document["article_id"], document["by"]) == ("a79", by)
        assert [line.keys() for line in document["items"]] == [{"article_id", "title", "similarity", "image_url"}] * 5

    def test_fused_unless_said_otherwise(self, cli: Cli) -> None:
        assert cli.json("similar", "a79") == cli.json("similar", "a79", "--by", "fused", "-n", 10)

    def test_for_people(self, cli: Cli) -> None:
        assert "Nearest to a79 by image" in cli.run("similar", "a79", "--by", "image").out

    def test_no_picture_no_neighbours(self, cli: Cli) -> None:
        assert cli.json("similar", "a80", "--by", "image")["items"] == []
        assert "Nothing is near to a80 by image" in cli.run("similar", "a80", "--by", "image").out

    def test_an_unknown_view(self, cli: Cli) -> None:
        assert "no view 'smell': choose fused, image or title" in cli.fails("similar", "a79", "--by", "smell")

    def test_an_unknown_article(self, cli: Cli) -> None:
        assert "no article 'x[/]'" in cli.fails("similar", "x[/]")


class TestEvaluate:
    def test_shown_lists(self, cli: Cli, site: Settings) -> None:
        document = cli.json("evaluate", "--since", rfc3339(SPLIT))
        expected = {
            "version",
            "impressions",
            "auc",
            "mrr",
            "ndcg@5",
            "ndcg@10",
            "log_loss",
            "ece",
            "slices",
            "confidence",
        }
        assert expected <= document.keys()
        assert document["version"] == live_version(site)
        lists = [i for i in made_world.made_log()[0] if i.at >= SPLIT]
        assert document["impressions"] == len(lists)
        assert 0.6 < document["auc"] < 1
        low, high = document["confidence"]["auc"]
        assert low < document["auc"] < high

    def test_a_shorter_window(self, cli: Cli) -> None:
        document = cli.json("evaluate", "--since", rfc3339(SPLIT), "--until", rfc3339(END - DAY / 2))
        lists = [i for i in made_world.made_log()[0] if SPLIT <= i.at < END - DAY / 2]
        assert document["impressions"] == len(lists)

    def test_all_live_articles(self, cli: Cli) -> None:
        document = cli.json("evaluate", "--since", rfc3339(SPLIT), "--pool", "live")
        expected = {"version", "r@10", "r@50", "r@100", "ndcg@10", "sources_r@100", "sources_r@500", "pool_median"}
        assert expected <= document.keys()
        assert 0.3 < document["r@10"] <= document["r@50"] <= document["r@100"]
        assert 0.5 < document["auc"] < 1
        assert document["ndcg@5"] <= document["ndcg@10"]
        shown = cli.json("evaluate", "--since", rfc3339(SPLIT))
        for of_lists in ("log_loss", "ece", "slices"):
            assert document[of_lists] == shown[of_lists]

    def test_for_people(self, cli: Cli) -> None:
        out = cli.run("evaluate", "--since", rfc3339(SPLIT)).out
        for word in ("auc", "ndcg@10", "log_loss"):
            assert word in out

    def test_it_refuses_to_flatter(self, cli: Cli) -> None:
        assert "was trained on the log up to" in cli.fails("evaluate", "--since", rfc3339(SPLIT - 1))

    def test_no_list_in_the_window(self, cli: Cli) -> None:
        assert "no impression" in cli.fails("evaluate", "--since", rfc3339(END + DAY))

    def test_an_unknown_version(self, cli: Cli) -> None:
        assert "no model version 'x'" in cli.fails("evaluate", "--version", "x", "--since", rfc3339(SPLIT))


class TestVersions:
    def test_train_promote_and_roll_back(self, cli: Cli, site: Settings) -> None:
        first = live_version(site)
        trained = cli.json("train", "--until", rfc3339(END - DAY / 2), "--seed", 3)
        assert {"version", "examples_per_second", "seconds", "metrics"} <= trained.keys()
        assert trained["examples_per_second"] > 0
        assert not trained["live"]
        listed = cli.json("models")
        assert listed["live"] == first
        assert [row["version"] for row in listed["versions"]] == [first, trained["version"]]
        second = listed["versions"][1]
        assert {"version", "created_at", "since", "until", "status", "reason", "metrics"} <= second.keys()
        assert second["until"] == rfc3339(END - DAY / 2)
        assert cli.json("promote", trained["version"]) == {"live": trained["version"]}
        assert cli.json("recommend", "u01", "--at", AT)["model_version"] == trained["version"]
        assert f"* {trained['version']}" in cli.run("models").out
        assert cli.json("rollback") == {"live": first}
        assert live_version(site) == first

    def test_retrain_says_whether_it_promoted_and_why(self, cli: Cli, site: Settings) -> None:
        first = live_version(site)
        document = cli.json("retrain", "--full")
        assert {"version", "promoted", "why", "metrics", "previous_metrics"} <= document.keys()
        assert document["version"] != first
        assert live_version(site) == (document["version"] if document["promoted"] else first)
        assert document["metrics"]["impressions"] == document["previous_metrics"]["impressions"] > 50
        assert "ndcg@10" in document["why"] or "clicked lists" in document["why"]

    def test_a_retraining_without_anything_new_says_so_and_is_no_failure(self, cli: Cli) -> None:
        made_training.hurry(cli.monkeypatch)
        newest = cli.json("train")["version"]
        cli.json("promote", newest)
        document = cli.json("retrain")
        assert (document["version"], document["promoted"], document["trained"]) == (newest, False, False)
        said = " ".join(cli.run("retrain").out.split())
        assert said == f"Version {newest} stays live: {document['why']}."
        assert len(cli.json("models")["versions"]) == 2

    def test_what_is_not_there_cannot_be_promoted(self, cli: Cli) -> None:
        assert "no model version 'x[/]'" in cli.fails("promote", "x[/]")

    def test_a_damaged_snapshot_cannot_be_promoted(self, cli: Cli, site: Settings) -> None:
        version = live_version(site)
        (site.snapshots / str(version) / "weights.safetensors").write_bytes(b"")
        assert "missing or damaged" in cli.fails("promote", version)
        assert "missing or damaged" in cli.fails("recommend", "u01")

    def test_there_is_nothing_to_go_back_to(self, cli: Cli) -> None:
        assert "no earlier live model" in cli.fails("rollback")

    def test_a_log_without_anything_new_cannot_be_trained_on(self, cli: Cli) -> None:
        assert "choose a later one" in cli.fails("train", "--until", rfc3339(made_world.START - DAY))


class TestEncode:
    def test_new_articles_are_encoded_and_known_ones_are_not(self, cli: Cli, site: Settings) -> None:
        """With the real encoders."""
        pictured = str(_picture_of(site, "a01"))
        new = [Article("x1", title="A new story", language="en"), Article("x2", image=pictured), Article("x3")]
        put(site, new)
        document = cli.json("encode")
        assert document["encoded"] == {"title": 1, "image": 0}
        assert document["cached"] == {"title": 0, "image": 1}
        assert document["missing"] == {"title": 2, "image": 2}
        put(site, [Article("x4", title="A new story")])
        assert cli.json("encode")["cached"] == {"title": 1, "image": 0}
        again = cli.json("encode")
        assert [sum(again[name].values()) for name in ("encoded", "cached", "missing", "broken")] == [0] * 4
        assert np.isfinite([line["similarity"] for line in cli.json("similar", "x1")["items"]]).all()


def put(settings: Settings, new: list[Article]) -> None:
    with writing(open_sessions(settings)) as session:
        articles.put_articles(session, new)


def _picture_of(settings: Settings, article_id: str) -> str | None:
    with open_sessions(settings)() as session:
        article = articles.get_article(session, article_id)
    assert article is not None
    return article.image
