"""Summary and body as modalities of their own: switched on later, they join with the next training."""

from dataclasses import replace

import made_world
import pytest
from made_training import hurry, live

from recsys.database import articles, models
from recsys.database.session import Sessions, writing
from recsys.domain import Article, RecsysError
from recsys.encoders import expected_ids, load_encoders
from recsys.lifecycle import gate
from recsys.lifecycle import retrain as retrain_room
from recsys.lifecycle.encode import EncodeReport, encode_new
from recsys.lifecycle.judging import evaluate
from recsys.lifecycle.retrain import retrain
from recsys.lifecycle.versions import promote
from recsys.serving.live import Live
from recsys.serving.recommender import Recommender
from recsys.settings import Settings
from recsys.snapshots.manifest import read_manifest

SPLIT, NOW = made_world.SPLIT, made_world.NOW
MODEL = "all-MiniLM-L6-v2"
TOPICS = {
    "culture": "opera, theatre and painting",
    "politics": "parliament, ministers and elections",
    "science": "telescopes, vaccines and geology",
    "sport": "football, cycling and swimming",
}
MORE = ("body", "image", "summary", "title")


@pytest.fixture
def more(settings: Settings) -> Settings:
    return settings.model_copy(update={"summary_encoder": MODEL, "body_encoder": MODEL})


@pytest.fixture
def world(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """The made world, whose live model knows title and picture; now some articles have a summary or a body, too."""
    sessions = made_world.install(settings)
    hurry(monkeypatch)
    with sessions() as session:
        keys = articles.keys_of(session, map(made_world.article_id, range(1, 81))).values()
        told = [_told(article) for article in articles.articles_by_key(session, keys).values()]
    with writing(sessions) as session:
        articles.put_articles(session, told)
        made_world.put_vectors(session, told, expected_ids(settings))
    return sessions


def _told(article: Article) -> Article:
    number = int(article.article_id[1:])
    return replace(
        article,
        summary=f"{TOPICS[article.section or '']}, number {number}" if number % 2 else None,
        body=f"More about {TOPICS[article.section or '']}, part {number}. " * 9 if number % 3 == 0 else None,
    )


def encoded(sessions: Sessions, settings: Settings) -> EncodeReport:
    """The texts in earnest; pictures and titles have their made vectors."""
    return encode_new(sessions, [e for e in load_encoders(settings) if e.modality in ("summary", "body")])


def test_a_modality_that_is_switched_on_leaves_the_live_version_as_it_is(
    settings: Settings, more: Settings, world: Sessions
) -> None:
    version = live(world) or ""
    before = evaluate(world, settings, version=version, since=SPLIT).summary
    report = encoded(world, more)
    assert report.encoded == {"summary": 40, "body": 26}
    assert evaluate(world, more, version=version, since=SPLIT).summary["auc"] == before["auc"]
    promote(world, more, version)
    serving = Live(world, more, expected_ids(more))
    assert (serving.trouble, list(serving.model.encoders)) == (None, ["title", "image"])  # type: ignore[union-attr]
    recommender = Recommender(world, more, serving)
    assert len(recommender.recommend("u01", at=NOW, log=False).items) == 10
    with pytest.raises(RecsysError, match=r"no view 'summary': choose fused, image or title"):
        recommender.similar("a03", "summary")


def test_with_the_next_training_a_modality_is_part_of_everything(
    more: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "FEWEST_CLICKED_LISTS", 50)
    done = retrain(world, more, encode=lambda: encoded(world, more))
    assert done.previous_metrics is not None  # the version of two modalities was judged beside it
    with writing(world) as session:
        models.promote(session, done.version, NOW, "a test wants it")
    manifest = read_manifest(more.snapshots / done.version)
    assert manifest.encoders == expected_ids(more)
    assert tuple(sorted(manifest.shape.dims)) == MORE
    recommender = Recommender(world, more, Live(world, more, expected_ids(more)))
    answer = recommender.recommend("u01", at=NOW, log=False, with_explanations=True)
    why = [item.explanation for item in answer.items if item.explanation]
    assert all(set(each.modalities) == {*MORE, "behaviour"} for each in why)
    assert any(each.modalities["summary"] > 0 for each in why)
    assert {"summary_mean", "body_best"} <= set(why[0].features)
    for by, number in (("summary", 33), ("body", 33)):
        near = recommender.similar(made_world.article_id(number), by, 5)
        assert len(near) == 5
        sections = [made_world.section_of(int(item.article_id[1:])) for item in near]
        assert sections.count(made_world.section_of(number)) >= 4
    assert recommender.similar("a02", "summary") == []  # it has none


def test_a_text_encoder_that_was_changed_or_taken_away_is_named(
    settings: Settings, more: Settings, world: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded(world, more)
    version = retrain_room.train(world, more, until=SPLIT).version
    with pytest.raises(RecsysError, match=r"none for the body, none for the summary: restore RECSYS_BODY_ENCODER and"):
        promote(world, settings, version)
    no_body = more.model_copy(update={"body_encoder": ""})
    with pytest.raises(RecsysError, match=r"none for the body: restore RECSYS_BODY_ENCODER, or train again"):
        evaluate(world, no_body, version=version, since=SPLIT)
    assert "none for the body" not in live_is_whole(world, settings)


def live_is_whole(sessions: Sessions, settings: Settings) -> str:
    """What trouble the live version has: none."""
    return Live(sessions, settings, expected_ids(settings)).trouble or ""
