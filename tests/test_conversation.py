"""Following a turn: however it ends, it ends, and what had come is kept."""

import asyncio

import pytest

from aoai_magic.errors import ServiceError
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.turn.events import Finished, TextDelta, TextDone


async def answer():
    yield TextDelta("t", "Hello")
    yield TextDone("t", "Hello.")
    yield Finished("completed")


class Endless:
    """A stream that says something and then waits for ever; knows whether it was closed."""

    closed = False

    async def events(self):
        try:
            yield TextDelta("t", "partial")
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def failing(error):
    yield TextDelta("t", "partial")
    raise error


async def test_a_whole_turn():
    shown = []
    view = await follow(answer(), shown.append, CancelToken())
    assert (view.status, view.text) == ("completed", "Hello.")
    assert view.seconds is not None
    assert shown[-1] == view


@pytest.mark.parametrize("error", [ServiceError("The server said no."), RuntimeError("bug")])
async def test_an_error_ends_the_turn_and_keeps_what_came(error):
    view = await follow(failing(error), lambda view: None, CancelToken())
    assert (view.status, view.text) == ("failed", "partial")
    assert str(error) in view.error


async def test_a_stop_ends_the_turn_and_the_stream():
    endless, stop = Endless(), CancelToken()
    view = await follow(endless.events(), lambda view: stop() if view.text else None, stop)
    assert (view.status, view.text) == ("interrupted", "partial")
    assert endless.closed


async def test_cancelling_the_cell_is_a_stop():
    endless = Endless()
    task = asyncio.create_task(follow(endless.events(), lambda view: None, CancelToken()))
    await asyncio.sleep(0.05)
    task.cancel()
    view = await task
    assert (view.status, view.text) == ("interrupted", "partial")
    assert endless.closed


async def test_a_turn_that_takes_too_long_says_how_to_give_it_more():
    view = await follow(Endless().events(), lambda view: None, CancelToken(), timeout=0.1)
    assert view.status == "incomplete"
    assert "--timeout" in view.error


async def test_a_stream_without_an_end_gets_one():
    async def cut():
        yield TextDelta("t", "partial")

    view = await follow(cut(), lambda view: None, CancelToken(), timeout=5)
    assert (view.status, view.text) == ("incomplete", "partial")


async def test_a_fault_in_showing_does_not_cost_the_turn(caplog):
    def broken(view):
        raise ValueError("no such colour")

    view = await follow(answer(), broken, CancelToken())
    assert (view.status, view.text) == ("completed", "Hello.")
    assert "cannot be shown" in caplog.text
