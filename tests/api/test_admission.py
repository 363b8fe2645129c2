"""No more requests are computed at once than there are places, and no more wait than may."""

import asyncio

import pytest
from api_calls import assert_problem

from api.admission import Admission
from recsys.domain import NotReadyError


def test_places_are_kept_and_given_back() -> None:
    async def run() -> tuple[int, int]:
        door, inside, most, done = Admission(2, 100), 0, 0, 0

        async def visit() -> None:
            nonlocal inside, most, done
            async with door.admitted():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done += 1

        await asyncio.gather(*(visit() for _ in range(50)))
        assert door.waiting == 0
        return most, done

    assert asyncio.run(run()) == (2, 50)


def test_beyond_the_queue_a_visitor_is_sent_away_and_later_let_in() -> None:
    async def run() -> None:
        door, leave = Admission(1, 1), asyncio.Event()

        async def stay() -> None:
            async with door.admitted():
                await leave.wait()

        visits = [asyncio.create_task(stay()) for _ in range(2)]
        while door.waiting != 1:
            await asyncio.sleep(0)
        with pytest.raises(NotReadyError, match="ask again"):
            async with door.admitted():
                pass
        leave.set()
        await asyncio.gather(*visits)
        async with door.admitted():
            pass

    asyncio.run(run())


def test_one_who_gives_up_waiting_takes_no_place() -> None:
    async def run() -> None:
        door = Admission(1, 5)
        async with door.admitted():
            waits = asyncio.create_task(door.admitted().__aenter__())
            while door.waiting != 1:
                await asyncio.sleep(0)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
        async with door.admitted():
            assert door.waiting == 0

    asyncio.run(run())


def test_one_who_waited_too_long_is_sent_away() -> None:
    async def run() -> None:
        door = Admission(1, 5, patience=0.01)
        async with door.admitted():
            with pytest.raises(NotReadyError, match="ask again"):
                async with door.admitted():
                    pass
            assert door.waiting == 0
        async with door.admitted():
            pass

    asyncio.run(run())


def test_a_full_server_says_when_to_come_back(client) -> None:
    client.app.state.running.admission.most_waiting = 0
    client.app.state.running.admission._places = asyncio.Semaphore(0)
    answer = client.get("/v1/users/u1/recommendations")
    assert_problem(answer, 503, "ask again")
    assert answer.headers["retry-after"] == "1"
    assert client.get("/v1/models").status_code == 200
