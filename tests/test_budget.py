"""What a turn may take, and what happens when it takes more."""

import pytest

from aoai_magic.config.prices import load
from aoai_magic.config.settings import resolve
from aoai_magic.errors import SettingsError, UsageError
from aoai_magic.runner.budget import Budget, BudgetObserver, Spending
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.turn.events import (
    CodeDelta,
    CodeDone,
    Finished,
    LogsDelta,
    Started,
    TextDelta,
    Usage,
    UsageReported,
)

TURN = [
    Started("t", "openai", "gpt-4.1"),
    CodeDelta("c", "x" * 400),
    CodeDone("c"),
    LogsDelta("c", "y" * 4000),
    TextDelta("a", "one "),
    TextDelta("a", "two "),
    TextDelta("a", "three"),
    UsageReported(Usage(5000, 200, 1000)),
    Finished("completed"),
]


class Stream:
    """Events, and whether whoever gave them was told to stop."""

    def __init__(self, events=TURN):
        self.events = events
        self.closed = False

    async def turn(self):
        try:
            for event in self.events:
                yield event
        finally:
            self.closed = True


async def done(tmp_path, stream, asked="", **limits):
    budget, prices = Budget(**limits), load(tmp_path)
    cancel = CancelToken()
    observer = BudgetObserver(cancel)
    observer.begin(Spending(budget, prices, "openai", "gpt-4.1", asked))
    return await follow(stream.turn(), lambda view: None, cancel, observers=[observer])


async def test_a_turn_within_its_budget_is_whole_and_tells_its_cost(tmp_path):
    seen = await done(tmp_path, Stream(), max_tokens=10_000, max_cost=1)
    assert (seen.status, seen.text) == ("completed", "one two three")
    assert seen.usage == Usage(5000, 200, 1000)
    assert seen.cost == pytest.approx((4000 * 2 + 1000 * 0.5 + 200 * 8) / 1e6)


async def test_one_that_takes_more_is_stopped_and_what_came_is_kept(tmp_path):
    # Counted: 0 + 100 of code, then 100 + 1000 are read, and 1 is written.
    stream = Stream()
    seen = await done(tmp_path, stream, max_tokens=1_201)
    assert (seen.status, seen.text) == ("incomplete", "one two")
    assert "max_tokens is 1,201" in seen.error
    assert seen.usage == Usage(1100, 102, estimated=True)
    assert stream.closed


async def test_one_that_costs_more_is_stopped(tmp_path):
    seen = await done(tmp_path, Stream(), max_cost=0.002)
    assert (seen.status, seen.text) == ("incomplete", "one")
    assert "max_cost is $0.002" in seen.error
    assert seen.cost > 0.002


async def test_what_is_told_at_first_counts(tmp_path):
    seen = await done(tmp_path, Stream(), asked="z" * 8000, max_tokens=2_000)
    assert (seen.status, seen.text) == ("incomplete", "")


async def test_what_is_reported_goes_before_what_was_counted(tmp_path):
    early = UsageReported(Usage(10, 5))
    seen = await done(tmp_path, Stream([*TURN[:4], early, *TURN[4:]]), max_tokens=1_150)
    # 15 were reported, 1100 are read again, and the third word would be too much.
    assert seen.status == "completed"


async def test_an_answer_that_is_there_stays_whole(tmp_path):
    seen = await done(tmp_path, Stream(), max_tokens=5_000)
    assert seen.status == "completed"


def test_money_wants_a_price(tmp_path):
    prices = load(tmp_path)
    Budget(max_cost=1).check("gpt-4.1", prices)
    Budget(max_cost=1).check("offline", prices)
    Budget(max_tokens=1).check("mine", prices)
    with pytest.raises(UsageError, match="the price of mine is unknown"):
        Budget(max_cost=1).check("mine", prices)


def test_the_server_gets_a_limit_of_its_own(tmp_path):
    prices = load(tmp_path)
    assert Budget().most_output("gpt-4.1", prices) is None
    assert Budget(max_tokens=500).most_output("mine", prices) == 500
    assert Budget(max_tokens=500, max_cost=0.0008).most_output("gpt-4.1", prices) == 100


@pytest.mark.parametrize("given", [{"max_tokens": "many"}, {"max_tokens": -1}, {"max_cost": "nan"}])
def test_what_is_no_amount_is_refused(given):
    with pytest.raises(SettingsError, match="0 for no limit"):
        resolve(given)


async def test_where_the_server_stops_the_budget_is_named(tmp_path):
    cut = Finished("incomplete", "The answer is incomplete (max_output_tokens).")
    seen = await done(tmp_path, Stream([TURN[0], cut]), max_tokens=2_000, max_cost=0.5)
    assert "because max_tokens is 2,000 and max_cost is $0.5;" in seen.error
    other = Finished("incomplete", "The content filter stopped the answer.")
    seen = await done(tmp_path, Stream([TURN[0], other]), max_tokens=2_000)
    assert seen.error == other.error
    assert (await done(tmp_path, Stream([TURN[0], cut]))).error == cut.error
