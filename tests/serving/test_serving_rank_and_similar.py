"""The publisher's own list in the reader's order, and the neighbours of an article."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import made_world
import numpy as np
import pytest
from made_world import HOUR, NOBODY
from serving_site import Site, story

from recsys.database import articles
from recsys.domain import Context, NotKnownError, NotPossibleError, NotReadyError
from recsys.serving import live as room
from recsys.serving import neighbours as neighbours_room
from recsys.serving.recommender import Recommender

LISTED = ["a71", "a72", "a73", "a74", "a79", made_world.BARE]
SPECIAL = (made_world.EXPIRED, made_world.UNPUBLISHED, made_world.DELETED)
PICTURELESS = {*made_world.IMAGELESS, made_world.BROKEN, made_world.BARE, *SPECIAL}


@pytest.fixture
def recommender(site: Site) -> Recommender:
    return site.recommender()


class TestRank:
    @pytest.mark.parametrize("user_id", ["u01", NOBODY])
    def test_every_article_once_and_the_likeliest_first(self, recommender: Recommender, user_id: str) -> None:
        ranked = recommender.rank(user_id, LISTED).items
        assert sorted(line.article_id for line in ranked) == sorted(LISTED)
        assert [line.position for line in ranked] == [1, 2, 3, 4, 5, 6]
        scores = [line.score for line in ranked]
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score < 1 for score in scores)

    def test_the_order_sent_does_not_matter(self, recommender: Recommender) -> None:
        first, second = (recommender.rank("u01", listed).items for listed in (LISTED, LISTED[::-1]))
        assert [line.article_id for line in first] == [line.article_id for line in second]
        assert [line.score for line in first] == pytest.approx([line.score for line in second], abs=1e-4)

    def test_the_reader_and_the_context_matter(self, recommender: Recommender) -> None:
        plain = {line.article_id: line.score for line in recommender.rank("u01", LISTED).items}
        other = {line.article_id: line.score for line in recommender.rank("u02", LISTED).items}
        there = recommender.rank("u01", LISTED, Context("article", "a70", "mobile", True)).items
        assert plain != other
        assert plain != {line.article_id: line.score for line in there}

    def test_also_what_would_not_be_recommended(self, site: Site, recommender: Recommender) -> None:
        """It is the publisher's list: clicked, old or expired articles may stand in it."""
        site.click("u01", "a71", made_world.NOW)
        listed = ["a71", "a01", made_world.EXPIRED, made_world.UNPUBLISHED]
        assert {line.article_id for line in recommender.rank("u01", listed).items} == set(listed)

    def test_one_and_none(self, recommender: Recommender) -> None:
        assert [line.position for line in recommender.rank("u01", ["a71"]).items] == [1]
        assert recommender.rank("u01", []).items == []

    def test_an_article_of_this_very_moment(self, site: Site, recommender: Recommender) -> None:
        site.publish(story("just now"))
        assert len(recommender.rank("u01", ["a71", "just now"]).items) == 2

    def test_it_does_not_wait_for_a_log_that_is_folded_anew(
        self, site: Site, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another request would wait behind it."""
        monkeypatch.setattr(room, "PATIENCE", 0.1)
        site.publish(story("just now"))
        with recommender.live._reading, ThreadPoolExecutor(1) as beside:
            with pytest.raises(NotReadyError, match="ask again"):
                beside.submit(recommender.rank, "u01", ["a71", "just now"]).result(5)
            assert beside.submit(recommender.rank, "u01", ["a71"]).result(5).items

    @pytest.mark.parametrize("unknown", ["unheard of", made_world.DELETED])
    def test_what_is_not_in_the_catalogue_is_named(self, recommender: Recommender, unknown: str) -> None:
        with pytest.raises(NotKnownError, match=unknown):
            recommender.rank("u01", ["a71", unknown])

    def test_a_model_without_head_says_so(self, site: Site) -> None:
        site.add_version("towers alone", heads=False)
        site.promote("towers alone")
        with pytest.raises(NotPossibleError, match="without impressions"):
            site.recommender().rank("u01", ["a71"])


class TestSimilar:
    @pytest.mark.parametrize("by", ["fused", "title", "image"])
    def test_the_nearest_other_articles_of_the_catalogue(self, site: Site, recommender: Recommender, by: str) -> None:
        near = recommender.similar("a77", by, 8)
        assert len({item.article_id for item in near}) == 8
        similarities = [item.similarity for item in near]
        assert similarities == sorted(similarities, reverse=True)
        assert max(similarities) <= 1 + 1e-5
        assert not {"a77", *SPECIAL} & {item.article_id for item in near}
        sections = [site.section_of(item.article_id) for item in near]
        assert sections.count("politics") >= 6

    @pytest.mark.parametrize("by", ["title", "image"])
    def test_one_modality_is_the_cosine_of_the_encoders_vectors(self, site: Site, by: str) -> None:
        """Up to the dimensions that the content view has dropped."""
        recommender = site.recommender()
        section = made_world.section_of(77)
        near = {item.article_id: item.similarity for item in recommender.similar("a77", by, 100)}
        same = [near[made_world.article_id(n)] for n in range(1, 77) if made_world.section_of(n) == section
                and made_world.article_id(n) in near]  # fmt: skip
        other = [s for name, s in near.items() if site.section_of(name) != section]
        assert np.mean(same) > np.mean(other) + 0.3

    def test_a_vector_that_is_short_is_as_near_as_its_direction(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(neighbours_room, "BLOCK", 7)
        live = site.live()
        assert live.model is not None
        index, recommender = live.model.views.learned, site.recommender(live)
        before = recommender.similar("a77", "fused", 10)
        short = index.keys[::3]
        index.put(short, 0.2 * index.vectors(short)[0])
        after = recommender.similar("a77", "fused", 10)
        assert {site.key(item.article_id) for item in before} & set(short.tolist())
        assert [item.article_id for item in after] == [item.article_id for item in before]
        assert [item.similarity for item in after] == pytest.approx([item.similarity for item in before], abs=1e-5)

    def test_what_the_log_alone_names_is_near_to_nothing(self, site: Site) -> None:
        site.show("u01", ["a77", "from another site"], made_world.NOW)
        live = site.live()
        assert live.model is not None
        index, a77 = live.model.views.learned, np.array([site.key("a77")], np.int64)
        index.put(np.array([site.key("from another site")], np.int64), index.vectors(a77)[0])
        near = site.recommender(live).similar("a77", "fused", 100)
        assert near
        assert "from another site" not in {item.article_id for item in near}

    def test_a_limit_keeps_the_nearest(self, recommender: Recommender) -> None:
        assert recommender.similar("a77", "fused", 3) == recommender.similar("a77", "fused", 9)[:3]

    def test_what_has_no_picture_has_no_neighbours_by_picture_and_is_none(self, recommender: Recommender) -> None:
        for article_id in ("a10", made_world.BROKEN, made_world.BARE):
            assert recommender.similar(article_id, "image") == []
        everything = {item.article_id for item in recommender.similar("a77", "image", 100)}
        assert len(everything) == made_world.ORDINARY - 1 - len(made_world.IMAGELESS) - 1
        assert not everything & PICTURELESS

    def test_an_article_of_which_nothing_is_known_has_no_neighbours_and_is_none(self, recommender: Recommender) -> None:
        for by in ("fused", "title"):
            assert recommender.similar(made_world.BARE, by) == []
            assert made_world.BARE not in {item.article_id for item in recommender.similar("a77", by, 100)}

    def test_what_was_deleted_is_gone_at_once(self, site: Site, recommender: Recommender) -> None:
        near = [item.article_id for item in recommender.similar("a77", "fused", 8)]
        site.delete(near[0])
        assert [item.article_id for item in recommender.similar("a77", "fused", 7)] == near[1:]

    def test_what_is_not_published_or_expired_has_neighbours(self, recommender: Recommender) -> None:
        """An editor asks before an article goes out."""
        for article_id in (made_world.UNPUBLISHED, made_world.EXPIRED):
            assert len(recommender.similar(article_id, "title", 5)) == 5

    def test_many_that_are_not_published_yet_push_nobody_out(self, site: Site) -> None:
        live = site.live()
        recommender = site.recommender(live)
        near = recommender.similar("a77", "title", 5)
        with site.sessions() as session:
            original = articles.get_article(session, "a77")
        assert original is not None
        soon = time.time() + HOUR
        site.publish(*(replace(original, article_id=f"soon-{n}", published_at=soon) for n in range(60)))
        live.refresh()
        assert [item.article_id for item in recommender.similar("a77", "title", 5)] == [i.article_id for i in near]

    @pytest.mark.parametrize("unknown", ["unheard of", made_world.DELETED])
    def test_an_unknown_article(self, recommender: Recommender, unknown: str) -> None:
        with pytest.raises(NotKnownError, match=unknown):
            recommender.similar(unknown)

    def test_an_unknown_view(self, recommender: Recommender) -> None:
        with pytest.raises(NotKnownError, match="fused, image or title"):
            recommender.similar("a77", "smell")
