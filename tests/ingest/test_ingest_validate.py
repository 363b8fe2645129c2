"""What enters the log, and what does not."""

from dataclasses import replace

import pytest

from recsys.domain import Article, Click, Context, Impression
from recsys.ingest.validate import why_refused, without_repeats

ARTICLE = Article("a", "T", published_at=-5.0, expires_at=9.0, length=0, premium=True, section="s" * 128)
SHOWN = Impression("i", "u", 5.0, ("a", "b"), Context("front", "c", "mobile", True, "p" * 128), known_at=6.0)
CLICK = Click("e", "u", "a", 5.0, "i", known_at=5.0, dwell_seconds=0.0, weight=0.0)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("record", [ARTICLE, SHOWN, CLICK, Article("é" * 128), replace(CLICK, event_id="😀", at=0.0)])
def test_what_is_good_is_taken(record):
    assert why_refused(record) is None


@pytest.mark.parametrize("bad", ["", "x" * 129, "a\0b", "\ud800"])
def test_ids_are_1_to_128_storable_characters(bad):
    records = [
        Article(bad),
        *(replace(SHOWN, **{name: bad}) for name in ("impression_id", "user_id")),
        replace(SHOWN, items=("a", bad)),
        replace(SHOWN, context=Context(context_article=bad)),
        *(replace(CLICK, **{name: bad}) for name in ("event_id", "user_id", "article_id", "impression_id")),
    ]
    assert all("1 to 128 characters" in (why_refused(record) or "") for record in records)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"at": NAN}, "finite"),
        ({"at": 5.0, "known_at": INF}, "finite"),
        ({"at": -1.0, "known_at": 5.0}, "before 1970"),
        ({"at": 1.6e12, "known_at": 1.6e12}, "milliseconds"),
        ({"at": 5.0, "known_at": 1.6e12}, "milliseconds"),
        ({"at": 5.0, "known_at": 4.0}, "known_at is before at"),
    ],
)
@pytest.mark.parametrize("record", [SHOWN, CLICK], ids=["impression", "click"])
def test_times_of_events(record, times, reason):
    assert reason in (why_refused(replace(record, **times)) or "")


@pytest.mark.parametrize(
    "record",
    [
        replace(ARTICLE, published_at=NAN),
        replace(ARTICLE, expires_at=1.6e12),
        replace(ARTICLE, length=-1),
        replace(ARTICLE, length=2**31),
        replace(ARTICLE, section="s" * 129),
        replace(ARTICLE, language="x" * 36),
        replace(ARTICLE, title="half \udc00 a pair"),
        replace(ARTICLE, body="zero \0"),
        replace(SHOWN, items=()),
        replace(SHOWN, context=Context(page="back")),
        replace(SHOWN, context=Context(device="d" * 33)),
        replace(SHOWN, context=Context(placement="p\0")),
        replace(CLICK, dwell_seconds=-1.0),
        replace(CLICK, dwell_seconds=NAN),
        replace(CLICK, weight=-1.0),
        replace(CLICK, weight=INF),
    ],
)
def test_everything_else_that_is_refused(record):
    assert why_refused(record)


def test_an_article_stands_once_in_a_list_where_it_stood_first():
    assert without_repeats(SHOWN) is SHOWN
    assert without_repeats(replace(SHOWN, items=("b", "a", "b", "c", "a"))) == replace(SHOWN, items=("b", "a", "c"))
