"""What is served goes on with its own encoders, whatever the settings name by now."""

import logging

import pytest
from made_world import NOW
from serving_site import Site

from recsys.serving.live import Live


def served(site: Site, encoders: dict[str, str]) -> list[str]:
    recommender = site.recommender(Live(site.sessions, site.settings, encoders))
    items = recommender.recommend("u01", at=NOW, log=False).items
    assert len(items) == 10
    assert len(recommender.similar("a03", "image", 5)) == 5
    return [item.article_id for item in items]


def test_an_added_encoder_changes_no_answer_and_is_no_trouble(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    before = served(site, site.encoders)
    with caplog.at_level(logging.WARNING):
        assert served(site, {**site.encoders, "summary": "text@1"}) == before
    assert not caplog.messages


def test_a_changed_encoder_is_told_and_the_version_goes_on(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    before = served(site, site.encoders)
    with caplog.at_level(logging.WARNING):
        assert served(site, {**site.encoders, "image": "pictures@2"}) == before
    (said,) = caplog.messages
    assert f"version {site.trained} reads image vectors" in said
    assert "recsys retrain" in said
