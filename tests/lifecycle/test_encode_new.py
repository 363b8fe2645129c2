"""Every article gets its vectors once, whatever interrupts the work: made encoders on a real database."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from made_postgres import Server
from sqlalchemy import select
from sqlalchemy.orm import Session

from recsys.columns import Bools, Floats32
from recsys.database import articles, vectors
from recsys.database.session import Sessions, open_sessions, writing
from recsys.database.tables import ContentRow
from recsys.domain import Article, RecsysError
from recsys.encoders import Encoder
from recsys.lifecycle import encode as room
from recsys.lifecycle.encode import encode_new
from recsys.settings import Settings


@dataclass
class MadeEncoder:
    """Vectors from the bytes of a title or of a picture's name; what is "broken" or "lost" cannot be read."""

    modality: str = "title"
    encoder_id: str = "made@1"
    dim: int = 4
    seen: list[str] = field(default_factory=list)  # article ids, in the order in which they were encoded
    calls: int = 0
    before: Callable[[int], None] = lambda _call: None

    def content(self, article: Article) -> str | None:
        return article.title if self.modality == "title" else article.image

    def content_hash(self, article: Article) -> str | None:
        content = self.content(article)
        return None if content in (None, "lost") else hashlib.sha256(content.encode()).hexdigest()

    def status(self, article: Article) -> str:
        content = self.content(article)
        return "missing" if content is None else "broken" if content == "lost" or "broken" in content else "ok"

    def encode(self, batch: list[Article]) -> tuple[Floats32, Bools]:
        self.calls += 1
        self.before(self.calls)
        self.seen += [article.article_id for article in batch]
        made = [made_vector(self.content(article) or "", self.dim) for article in batch]
        readable = np.array([self.status(article) == "ok" for article in batch], np.bool_)
        return np.array(made, np.float32).reshape(len(batch), self.dim) * readable[:, None], readable


def made_vector(content: str, dim: int = 4) -> Floats32:
    seed = int(hashlib.sha256(content.encode()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float16).astype(np.float32)


def put(sessions: Sessions, *catalogue: Article) -> None:
    with writing(sessions) as session:
        articles.put_articles(session, catalogue)


def stored(sessions: Sessions, encoder: Encoder, *article_ids: str) -> list[list[float] | None]:
    with sessions() as session:
        keys = articles.keys_of(session, article_ids)
        found, mask = vectors.load_vectors(
            session, encoder.modality, encoder.encoder_id, encoder.dim, np.array([keys[i] for i in article_ids])
        )
    return [v.tolist() if there else None for v, there in zip(found, mask, strict=True)]


def statuses(session: Session, modality: str, encoder_id: str) -> dict[str, int]:
    looked_at = session.scalars(select(ContentRow).filter_by(modality=modality, encoder_id=encoder_id))
    return dict(Counter(row.status for row in looked_at))


def expected(content: str) -> list[float]:
    return made_vector(content).tolist()


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH", 3)


def some(count: int) -> list[Article]:
    return [Article(f"a{n}", title=f"title {n}") for n in range(count)]


def test_every_article_is_counted_by_what_came_of_it(sessions: Sessions) -> None:
    put(
        sessions,
        Article("a", title="one", image="p1"),
        Article("b", title="two", image="broken p2"),
        Article("c", title=None, image=None),
        Article("d", title="four", image="lost"),
    )
    title, image = MadeEncoder(), MadeEncoder("image", "pictures@1")
    report = encode_new(sessions, [title, image])
    assert report.encoded == {"title": 3, "image": 1}
    assert report.missing == {"title": 1, "image": 1}
    assert report.broken == {"title": 0, "image": 2}
    assert report.cached == {"title": 0, "image": 0}
    assert report.looked_at == 8
    assert stored(sessions, title, "a", "b", "c") == [expected("one"), expected("two"), None]
    assert stored(sessions, image, "a", "b", "c") == [expected("p1"), None, None]
    with sessions() as session:
        assert statuses(session, "image", "pictures@1") == {"ok": 1, "broken": 2, "missing": 1}


def test_a_second_run_finds_nothing_to_do(sessions: Sessions) -> None:
    put(sessions, *some(5))
    encoder = MadeEncoder()
    encode_new(sessions, [encoder])
    again = encode_new(sessions, [encoder])
    assert again.looked_at == 0
    assert encoder.calls == 1


def test_equal_content_is_encoded_once_within_a_batch_and_across_batches(
    sessions: Sessions, small_batches: None
) -> None:
    put(sessions, *(Article(f"a{n}", title="the same") for n in range(7)), Article("b", title="another"))
    encoder = MadeEncoder()
    report = encode_new(sessions, [encoder])
    assert len(encoder.seen) == 2
    assert report.encoded["title"] + report.cached["title"] == 8
    assert report.cached["title"] >= 4
    assert stored(sessions, encoder, "a0", "a6", "b") == [
        expected("the same"),
        expected("the same"),
        expected("another"),
    ]


def test_a_changed_title_is_encoded_again_and_back_again_is_cached(sessions: Sessions) -> None:
    put(sessions, Article("a", title="before"), Article("b", title="other"))
    encoder = MadeEncoder()
    encode_new(sessions, [encoder])
    put(sessions, Article("a", title="after"))
    report = encode_new(sessions, [encoder])
    assert (report.encoded["title"], encoder.seen[2:]) == (1, ["a"])
    assert stored(sessions, encoder, "a", "b") == [expected("after"), expected("other")]
    put(sessions, Article("a", title="before"))
    report = encode_new(sessions, [encoder])
    assert (report.encoded["title"], report.cached["title"], len(encoder.seen)) == (0, 1, 3)
    assert stored(sessions, encoder, "a") == [expected("before")]


def test_what_else_changes_in_an_article_costs_no_encoding(sessions: Sessions) -> None:
    put(sessions, Article("a", title="same"))
    encoder = MadeEncoder()
    encode_new(sessions, [encoder])
    put(sessions, Article("a", title="same", section="sport"))
    assert encode_new(sessions, [encoder]).looked_at == 0
    put(sessions, Article("a", title="same", summary="what a title's encoder does not read"))
    assert encode_new(sessions, [encoder]).cached["title"] == 1
    assert len(encoder.seen) == 1


def test_another_encoder_encodes_all_again_and_the_first_ones_vectors_stay(sessions: Sessions) -> None:
    put(sessions, *some(3))
    first, second = MadeEncoder(), MadeEncoder(encoder_id="made@2", dim=6)
    encode_new(sessions, [first])
    report = encode_new(sessions, [second])
    assert report.encoded["title"] == 3
    assert sorted(second.seen) == ["a0", "a1", "a2"]
    assert stored(sessions, first, "a1") == [expected("title 1")]
    assert stored(sessions, second, "a1") == [made_vector("title 1", 6).tolist()]
    assert encode_new(sessions, [first]).looked_at == 0


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RecsysError])
def test_an_interruption_loses_one_batch_at_most(
    sessions: Sessions, small_batches: None, failure: type[BaseException]
) -> None:
    put(sessions, *some(8))

    def fail(call: int) -> None:
        if call == 2:
            raise failure("while encoding")

    with pytest.raises(failure, match="while encoding"):
        encode_new(sessions, [MadeEncoder(before=fail)])
    with sessions() as session:
        assert statuses(session, "title", "made@1") == {"ok": 3}
    rest = MadeEncoder()
    report = encode_new(sessions, [rest])
    assert (report.encoded["title"], report.cached["title"], len(rest.seen)) == (5, 0, 5)


def test_an_article_rewritten_while_it_is_encoded_gets_its_new_vector(sessions: Sessions) -> None:
    put(sessions, Article("a", title="before"), Article("b", title="other"))

    def rewrite(call: int) -> None:
        if call == 1:
            put(sessions, Article("a", title="after"))

    encoder = MadeEncoder(before=rewrite)
    report = encode_new(sessions, [encoder])
    assert stored(sessions, encoder, "a", "b") == [expected("after"), expected("other")]
    assert report.encoded["title"] == 2


def test_an_article_deleted_while_it_is_encoded_is_left_alone(sessions: Sessions) -> None:
    put(sessions, Article("a", title="one"), Article("b", title="other"))

    def delete(_call: int) -> None:
        with writing(sessions) as session:
            articles.delete_article(session, "a", at=1.0)

    encoder = MadeEncoder(before=delete)
    assert encode_new(sessions, [encoder]).encoded["title"] == 1
    assert stored(sessions, encoder, "a", "b") == [None, expected("other")]


def test_the_newest_articles_come_first(sessions: Sessions, small_batches: None) -> None:
    for article in some(7):
        put(sessions, article)
    encoder = MadeEncoder()
    encode_new(sessions, [encoder])
    assert set(encoder.seen[:3]) == {"a6", "a5", "a4"}


def test_progress_reaches_its_total(sessions: Sessions, small_batches: None) -> None:
    put(sessions, *some(7))
    said: list[tuple[str, int, int]] = []
    encode_new(sessions, [MadeEncoder()], lambda *progress: said.append(progress))
    assert said == [("title", 3, 7), ("title", 6, 7), ("title", 7, 7)]


def test_an_empty_catalogue_needs_no_encoder(sessions: Sessions) -> None:
    encoder = MadeEncoder()
    assert encode_new(sessions, [encoder]).looked_at == 0
    assert encoder.calls == 0


def test_processes_that_keep_a_copy_are_told_of_new_vectors(sessions: Sessions) -> None:
    put(sessions, *some(2))
    with sessions() as session:
        before = articles.last_change(session)
        keys = articles.keys_of(session, ["a0", "a1"])
    encode_new(sessions, [MadeEncoder()])
    with sessions() as session:
        assert set(articles.changed_after(session, before)) == set(keys.values())


def test_a_broken_picture_that_is_mended_is_encoded(sessions: Sessions) -> None:
    put(sessions, Article("a", image="broken"))
    encoder = MadeEncoder("image")
    assert encode_new(sessions, [encoder]).broken["image"] == 1
    assert encode_new(sessions, [encoder]).looked_at == 0
    put(sessions, replace(Article("a"), image="mended"))
    assert encode_new(sessions, [encoder]).encoded["image"] == 1
    assert stored(sessions, encoder, "a") == [expected("mended")]


def test_a_picture_that_comes_later_is_encoded_then(sessions: Sessions) -> None:
    encoder = MadeEncoder("image")
    put(sessions, Article("a", image="lost"), Article("b", image="there"), Article("c"))
    report = encode_new(sessions, [encoder])
    assert (report.encoded["image"], report.broken["image"], report.missing["image"]) == (1, 1, 1)
    assert report.warnings[0].startswith("1 of 2 pictures could not be read")
    again = encode_new(sessions, [encoder])
    assert (again.looked_at, again.warnings) == (0, report.warnings)
    encoder.content = lambda article: article.image and f"found {article.image}"  # type: ignore[method-assign]
    found = encode_new(sessions, [encoder])
    assert (found.encoded, found.warnings) == ({"image": 1}, [])
    assert encoder.seen == ["b", "a"]
    assert stored(sessions, encoder, "a")[0] is not None


def test_a_title_corrected_while_its_vector_is_stored_is_encoded_again_on_postgresql(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There a writer does not wait for another one of itself: the correction comes between a look and a commit."""
    with postgres.database() as url:
        sessions = open_sessions(Settings(home=tmp_path, database_url=url, _env_file=None))
        put(sessions, Article("a", title="one"))
        look, correction = articles.articles_by_key, Thread(target=put, args=[sessions, Article("a", title="two")])

        def look_and_be_overtaken(session: Session, keys: Iterable[int]) -> dict[int, Article]:
            found = look(session, keys)
            if correction.ident is None:
                correction.start()
                correction.join(1)
            return found

        monkeypatch.setattr(articles, "articles_by_key", look_and_be_overtaken)
        encode_new(sessions, [MadeEncoder()])
        correction.join(10)
        encode_new(sessions, [MadeEncoder()])
        assert stored(sessions, MadeEncoder(), "a") == [expected("two")]
        sessions.kw["bind"].dispose()


def test_a_vector_that_is_not_finite_is_broken_and_the_others_are_stored(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(sessions, *some(3))
    encoder = MadeEncoder()
    encode = encoder.encode

    def diverged(batch: list[Article]) -> tuple[Floats32, Bools]:
        made, readable = encode(batch)
        made[[article.article_id == "a1" for article in batch]] = 1e9
        return made, readable

    monkeypatch.setattr(encoder, "encode", diverged)
    report = encode_new(sessions, [encoder])
    assert (report.encoded, report.broken) == ({"title": 2}, {"title": 1})
    assert stored(sessions, encoder, "a0", "a1", "a2") == [expected("title 0"), None, expected("title 2")]
    assert "made@1 made 1 vectors that are not finite: those articles are without it" in caplog.messages
    assert encode_new(sessions, [encoder]).looked_at == 0


def test_no_others_are_looked_at_than_those_that_are_named(sessions: Sessions, small_batches: None) -> None:
    put(sessions, *some(9))
    with sessions() as session:
        keys = articles.keys_of(session, ["a1", "a2", "a4", "a7", "a8"])
    encoder = MadeEncoder()
    assert encode_new(sessions, [encoder], among=keys.values()).encoded == {"title": 5}
    assert encoder.seen == ["a8", "a7", "a4", "a2", "a1"]
