"""A site on a copy of the made world."""

from collections.abc import Iterator

import made_world
import pytest
from serving_site import Site

from recsys.settings import Settings


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    sessions = made_world.install(settings)
    yield Site(settings, sessions)
    sessions.kw["bind"].dispose()
