"""Answers to readers: what is in them, what is remembered of them, and what the next one knows."""

from pathlib import Path

import made_world
import numpy as np
import pytest
from made_world import NOBODY, NOW
from serving_site import Site
from sqlalchemy import func, select

from recsys.database import articles, events, users
from recsys.database.session import writing
from recsys.database.tables import ImpressionRow, ServedRow, UserRow
from recsys.domain import Article, Click, Context
from recsys.features.features import REQUEST
from recsys.pipeline.sources import NAMES
from recsys.serving.lines import image_url
from recsys.serving.recommender import Recommender, Served


@pytest.fixture
def recommender(site: Site) -> Recommender:
    return site.recommender()


def ids(served: Served) -> list[str]:
    return [item.article_id for item in served.items]


class TestLines:
    def test_they_describe_the_catalogue(self, site: Site, recommender: Recommender) -> None:
        answer = recommender.recommend("u01", at=NOW)
        assert (answer.user_id, answer.model_version) == ("u01", site.trained)
        with site.sessions() as session:
            for place, item in enumerate(answer.items):
                article = articles.get_article(session, item.article_id)
                assert article is not None
                assert (item.title, item.section, item.published_at) == (
                    article.title, article.section, article.published_at
                )  # fmt: skip
                assert item.position == place + 1
                assert 0 < item.score < 1
                assert item.source in NAMES
                assert item.explanation is None

    @pytest.mark.parametrize("limit", [1, 7, 100])
    def test_as_many_as_were_asked_for_and_are_there(self, recommender: Recommender, limit: int) -> None:
        answer = recommender.recommend("u01", limit=limit, at=NOW, log=False)
        assert len(answer.items) == limit if limit < 20 else 20 < len(answer.items) < 80

    def test_a_section_and_exclusions(self, recommender: Recommender) -> None:
        first = recommender.recommend("u01", section="sport", at=NOW, log=False)
        assert {item.section for item in first.items} == {"sport"}
        second = recommender.recommend("u01", exclude=[*ids(first)[:4], "unheard of"], at=NOW, log=False)
        assert not set(ids(first)[:4]) & set(ids(second))
        assert recommender.recommend("u01", section="weather", at=NOW, log=False).items == []

    def test_the_article_being_read_is_not_recommended(self, recommender: Recommender) -> None:
        first = ids(recommender.recommend("u01", at=NOW, log=False))[0]
        reading = Context("article", first, "mobile", True)
        assert first not in ids(recommender.recommend("u01", context=reading, at=NOW, log=False))

    def test_a_context_of_which_nothing_is_known(self, recommender: Recommender) -> None:
        odd = Context("article", "unheard of", "fridge", None, "sidebar")
        assert len(recommender.recommend("u01", context=odd, at=NOW).items) == 10

    def test_where_pictures_are(self, recommender: Recommender) -> None:
        urls = {i.article_id: i.image_url for i in recommender.recommend(NOBODY, limit=100, at=NOW, log=False).items}
        assert urls["a79"] == "/v1/articles/a79/image"
        assert urls["a80"] is None  # one of IMAGELESS

    @pytest.mark.parametrize(
        ("image", "url"),
        [
            (None, None),
            ("https://example.org/p.jpg?w=1", "https://example.org/p.jpg?w=1"),
            ("http://example.org/p.jpg", "http://example.org/p.jpg"),
            ("pictures/p.jpg", "/v1/articles/a%20b%2Fc%3F/image"),
        ],
    )
    def test_addresses_of_pictures(self, image: str | None, url: str | None) -> None:
        assert image_url(Article("a b/c?", image=image)) == url


class TestReaders:
    def test_the_next_answer_knows_the_last_click(self, site: Site, recommender: Recommender) -> None:
        first = recommender.recommend("u01", at=NOW, log=False)
        site.click("u01", ids(first)[0], NOW + 1)
        second = recommender.recommend("u01", at=NOW + 2, log=False)
        assert ids(first)[0] not in ids(second)
        assert [i.score for i in second.items] != [i.score for i in first.items]

    def test_an_answer_of_the_past_does_not(self, site: Site, recommender: Recommender) -> None:
        first = recommender.recommend("u01", at=NOW, log=False)
        site.click("u01", ids(first)[0], NOW + 1)
        assert recommender.recommend("u01", at=NOW, log=False) == first
        assert recommender.recommend("u01", at=NOW + 1, log=False).items[0].article_id == ids(first)[0]  # not yet

    def test_what_was_dismissed_does_not_come_back(self, site: Site, recommender: Recommender) -> None:
        first = ids(recommender.recommend("u01", at=NOW, log=False))
        with writing(site.sessions) as session:
            events.add_clicks(session, [Click("no", "u01", first[0], NOW, weight=0.0)])
        assert first[0] not in ids(recommender.recommend("u01", at=NOW + 1, log=False))

    def test_a_first_click_makes_a_reader_known(self, site: Site, recommender: Recommender) -> None:
        cold = recommender.recommend(NOBODY, at=NOW, log=False)
        assert {item.source for item in cold.items} <= {"trending", "popular", "fresh"}
        assert set(made_world.SECTIONS) <= {item.section for item in cold.items}
        site.click(NOBODY, "a79", NOW)
        warm = recommender.recommend(NOBODY, at=NOW + 1, log=False)
        assert {"similar", "content", "personal"} & {item.source for item in warm.items}

    def test_different_readers_get_different_answers(self, recommender: Recommender) -> None:
        answers = {tuple(ids(recommender.recommend(f"u{n:02}", at=NOW, log=False))) for n in range(1, 9)}
        assert len(answers) == 8


class TestExplanations:
    def test_they_name_articles_that_were_read(self, site: Site, recommender: Recommender) -> None:
        answer = recommender.recommend("u01", with_explanations=True, at=NOW, log=False)
        with site.sessions() as session:
            user = users.key_of(session, "u01")
            assert user is not None
            read = {past.title for past in users.past_of(session, user, 100) if past.weight > 0}
        reasons = [why for item in answer.items if item.explanation for why in item.explanation.because]
        assert len(reasons) > 5
        assert set(reasons) <= read

    def test_they_say_what_the_article_is_made_of(self, recommender: Recommender) -> None:
        answer = recommender.recommend("u01", limit=100, with_explanations=True, at=NOW, log=False)
        explained = {item.article_id: item.explanation for item in answer.items}
        for article_id, why in explained.items():
            assert why is not None
            assert why.modalities.keys() == {"title", "image", "behaviour"}
            assert (why.modalities["image"] > 0) == (
                article_id not in (*made_world.IMAGELESS, made_world.BROKEN, made_world.BARE)
            )
            assert {"clicks_2h", "title_mean", "since_published"} <= why.features.keys()
            assert not set(REQUEST) & why.features.keys()

    def test_inputs_stand_under_their_names(self, recommender: Recommender) -> None:
        items = recommender.recommend("u01", with_explanations=True, at=NOW, log=False).items
        dated = [item for item in items if item.published_at is not None and item.explanation is not None]
        assert len(dated) > 3
        for item in dated:
            assert item.published_at is not None
            assert item.explanation is not None
            age = (NOW - item.published_at) / 60
            assert item.explanation.features["since_published"] == pytest.approx(np.log1p(age), abs=1e-3)

    def test_a_new_reader_has_no_reasons(self, recommender: Recommender) -> None:
        answer = recommender.recommend(NOBODY, with_explanations=True, at=NOW, log=False)
        assert all(item.explanation is not None and item.explanation.because == () for item in answer.items)

    def test_a_read_article_without_title_is_named_by_its_id_and_a_deleted_one_not_at_all(self, site: Site) -> None:
        twin = Article("twin", section="sport", published_at=NOW - 60)
        site.publish(twin)
        with writing(site.sessions) as session:  # near everything of its section, though its title was never told
            key = articles.keys_of(session, ["twin", "a75"])
            _copy_content(session, key["a75"], key["twin"])
        site.click("reader", "twin", NOW - 10)
        recommender = site.recommender()
        explained = recommender.recommend("reader", with_explanations=True, section="sport", at=NOW, log=False)
        assert {why for i in explained.items if i.explanation for why in i.explanation.because} == {"twin"}
        site.delete("twin")
        again = recommender.recommend("reader", with_explanations=True, section="sport", at=NOW, log=False)
        assert {why for i in again.items if i.explanation for why in i.explanation.because} == set()


def _copy_content(session: object, source: int, target: int) -> None:
    from sqlalchemy import text

    session.execute(  # type: ignore[attr-defined]
        text(
            "UPDATE contents SET (content_hash, status) = (SELECT content_hash, status FROM contents AS other"
            " WHERE other.article = :source AND other.modality = contents.modality) WHERE article = :target"
        ),
        {"source": source, "target": target},
    )


class TestServedLog:
    def test_an_answer_is_logged_with_its_model_and_scores(self, site: Site, recommender: Recommender) -> None:
        context = Context("article", "a50", "mobile", True, "below the text")
        answer = recommender.recommend("u01", context=context, at=NOW)
        with site.sessions() as session:
            row = session.get(ServedRow, answer.impression_id)
            assert row is not None
            assert (row.user, row.at, row.model_version) == (site.user_key("u01"), NOW, site.trained)
            assert [site.key(item) for item in ids(answer)] == row.shown
            assert row.scores == [item.score for item in answer.items]
            assert (row.page, row.context_article, row.device, row.subscriber, row.placement) == (
                "article", site.key("a50"), "mobile", True, "below the text"
            )  # fmt: skip

    def test_every_answer_has_an_id_of_its_own(self, recommender: Recommender) -> None:
        answers = [recommender.recommend("u01", at=NOW).impression_id for _ in range(3)]
        assert len(set(answers)) == 3
        assert None not in answers

    def test_served_is_not_seen(self, site: Site, recommender: Recommender) -> None:
        recommender.recommend("u01", at=NOW)
        with site.sessions() as session:
            assert session.scalar(select(func.count()).select_from(ImpressionRow)) == made_world.LISTS

    def test_unless_a_setting_says_so(self, site: Site) -> None:
        site.settings.served_is_seen = True
        answer = site.recommender().recommend("u01", at=NOW)
        with site.sessions() as session:
            row = session.scalars(
                select(ImpressionRow).where(ImpressionRow.impression_id == answer.impression_id)
            ).one()
        assert [site.key(item) for item in ids(answer)] == row.shown

    def test_an_empty_answer_is_not_seen_at_all(self, site: Site) -> None:
        site.settings.served_is_seen = True
        site.recommender().recommend("u01", section="weather", at=NOW)
        with site.sessions() as session:
            assert session.scalar(select(func.count()).select_from(ImpressionRow)) == made_world.LISTS

    def test_a_preview_leaves_no_trace(self, site: Site, recommender: Recommender) -> None:
        answer = recommender.recommend(NOBODY, at=NOW, log=False)
        assert answer.impression_id is None
        with site.sessions() as session:
            assert session.scalar(select(func.count()).select_from(ServedRow)) == 0
            assert session.scalar(select(UserRow).where(UserRow.user_id == NOBODY)) is None
        recommender.recommend(NOBODY, at=NOW)
        assert site.user_key(NOBODY) is not None


def test_pictures_of_the_made_world_are_files(site: Site) -> None:
    with site.sessions() as session:
        article = articles.get_article(session, "a01")
    assert article is not None
    assert Path(article.image or "").is_file()
