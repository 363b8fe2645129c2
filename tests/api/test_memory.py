"""What a server no longer needs is freed, though the collector leaves alone what was loaded at its start."""

import gc
import weakref

from api_calls import recommended, until


def test_a_version_that_is_no_longer_served_is_freed_without_the_collector(client, newspaper):
    live = client.app.state.running.live
    recommended(client, "u1")
    parts = [weakref.ref(live.model.views.learned), weakref.ref(live.model.views.towers.model)]
    gc.disable()
    try:
        client.post(f"/v1/models/{newspaper.candidate}/promote")
        until(lambda: not any(part() for part in parts), 30)
    finally:
        gc.enable()
    assert live.model.version == newspaper.candidate
