"""Turns through the Responses API, against the engine, as against a service."""

import asyncio

import openai
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from serving import TOKEN, serving, write_script

from aoai_magic.attach.function_tools import find
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.backends.services import Service
from aoai_magic.engine.config import Bounds
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import from_keywords
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

pytestmark = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)

SALES = pd.DataFrame(
    {
        "region": pd.Categorical(["North", "South"] * 2, ["South", "North", "West"]),
        "revenue": pd.array([1, None, 2, 4], "Int64"),
    },
    index=pd.date_range("2024-01-01", periods=4, tz="Europe/Oslo", name="day"),
)
LOAD = "exec(open('/mnt/data/load_sales.py').read())\n"
WHOLE = f"""
turns:
  - - text: "I look."
      code: |
        {LOAD.strip()}
        print(sales["nothing"])
    - code: |
        import matplotlib.pyplot as plt
        sales["revenue"].plot.bar()
        plt.show()
        sales.to_pickle("/mnt/data/sales.pkl")
        sales.to_csv("/mnt/data/totals.csv")
        print(sales["revenue"].sum())
      usage: {{prompt_tokens: 100, completion_tokens: 20, cached_tokens: 60}}
    - text: "It is 7; see [the table](sandbox:/mnt/data/totals.csv)."
  - - code: "print(sales.shape, open('/mnt/data/totals.csv').readline())"
    - text: "Four rows."
"""
IDLE = 2.0


@pytest.fixture
def service(engine):
    return Service(f"{engine.url}/openai/v1", engine.token)


@pytest.fixture
def backend(service, tmp_path):
    home = tmp_path / "home"
    return Responses(service, "azure", ContainerCopies(home, service.url), UploadLog(home))


@pytest.fixture
def attached(tmp_path):
    def attach(*items, **variables):
        folder = tmp_path / "packed"
        return resolve([*variables, *items], "", variables, tmp_path, folder=folder)

    return attach


async def asked(backend, question, show=lambda view: None, stop=None):
    return await follow(backend.turn(question), show, stop or CancelToken(), timeout=60)


def logs(seen):
    return "".join(part.text for part in seen.parts if isinstance(part, view.Logs))


async def test_a_whole_turn_and_a_second_one(backend, attached, script):
    model = script(WHOLE)
    seen = await asked(backend, Question("Compare.", attached(sales=SALES), model=model))
    assert (seen.status, seen.error) == ("completed", None)
    failed, done = (part for part in seen.parts if isinstance(part, view.Code))
    assert (failed.state, failed.error) == ("failed", "KeyError: 'nothing'")
    assert (done.state, done.attempt) == ("done", 2)
    assert done.seconds is not None
    assert [p.text for p in seen.parts if isinstance(p, view.Logs)][1] == "7\n"
    (picture,) = (part for part in seen.parts if isinstance(part, view.Image))
    assert picture.data.startswith(b"\x89PNG")
    assert sorted(file.name for file in seen.files) == ["sales.pkl", "totals.csv"]
    assert (seen.usage.input_tokens, seen.usage.cached_tokens) == (100, 60)
    assert (seen.target, seen.model) == ("azure", model)
    second = await asked(backend, Question("Rows?", (), seen.thread, model))
    assert logs(second) == "(4, 2) day,region,revenue\n\n"
    assert second.thread.split("|")[1] == seen.thread.split("|")[1]
    assert second.files == ()


async def test_frames_arrive_with_their_types(backend, attached, script, tmp_path):
    model = script(WHOLE)
    seen = await asked(backend, Question("Compare.", attached(sales=SALES), model=model))
    (file,) = (file for file in seen.files if file.name == "sales.pkl")
    (tmp_path / "back.pkl").write_bytes(file.data)
    assert_frame_equal(pd.read_pickle(tmp_path / "back.pkl"), SALES, check_freq=False)


async def test_what_is_there_already_is_not_sent_again(backend, attached, script):
    model = script(WHOLE)
    sent = attached(sales=SALES)
    first = await asked(backend, Question("Compare.", sent, model=model))
    shown = []
    await asked(backend, Question("Again.", sent, first.thread, model), shown.append)
    assert not [v for v in shown if v.progress and "sending" in v.progress.what]


SEEN = f"{LOAD.strip()}; print(sales.x.tolist())"
READ = "print(open('/mnt/data/x.csv').read())"


@pytest.fixture
def turn(backend, tmp_path):
    """Run code in one thread after another turn; gives what it printed."""
    threads = [None]

    async def turn(code, sent):
        # Each script is a model of its own, which has answered nothing yet.
        model = write_script(tmp_path, {"when": ".", "replies": [{"code": code}, {"text": "."}]})
        seen = await asked(backend, Question("Go.", sent, threads[-1], model))
        assert seen.status == "completed", seen.error
        threads.append(seen.thread)
        return logs(seen).strip()

    return turn


async def test_the_first_frame_and_file_again_after_another_one(turn, attached, tmp_path):
    small, large = pd.DataFrame({"x": [1]}), pd.DataFrame({"x": range(20_000)})  # .csv, .zip
    for frame, text in ((small, "one"), (large, "two"), (small, "one")):
        (tmp_path / "x.csv").write_text(text)
        sent = attached("@x.csv", sales=frame)
        assert (
            await turn(f"{SEEN.replace('tolist', 'sum')}\n{READ}", sent)
            == f"{frame.x.sum()}\n{text}"
        )


async def test_what_code_changed_is_sent_again(turn, attached, tmp_path):
    (tmp_path / "x.csv").write_text("given")
    sent = attached("@x.csv", sales=pd.DataFrame({"x": [1, 2]}))
    change = (
        "open('/mnt/data/x.csv', 'w').write('own'); open('/mnt/data/sales.csv', 'w').write('');"
    )
    assert await turn(f"{SEEN}; sales = 5; {change}", sent) == "[1, 2]"
    assert await turn(READ, ()) == "own"
    assert await turn(f"{SEEN}\n{READ}", sent) == "[1, 2]\ngiven"
    assert await turn("import os; os.remove('/mnt/data/x.csv')", ()) == ""
    assert await turn(READ, sent) == "given"


async def test_a_frame_and_a_file_never_share_a_name(turn, attached, tmp_path):
    (tmp_path / "sales.csv").write_text("given")
    frame = attached(sales=pd.DataFrame({"x": [1, 2]}))
    both = attached("@sales.csv", sales=pd.DataFrame({"x": [1, 2]}))
    read = "print(open('/mnt/data/sales.csv').read())"
    assert await turn(SEEN, frame) == "[1, 2]"
    assert await turn(f"{SEEN}\n{read}", both) == "[1, 2]\ngiven"


async def test_files_go_as_they_are(backend, attached, script, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    model = script("turns: [[{code: print(open('/mnt/data/notes.txt').read())}, {text: Done.}]]")
    seen = await asked(backend, Question("Read.", attached("@notes.txt"), model=model))
    assert [p.text for p in seen.parts if isinstance(p, view.Logs)] == ["hello\n"]
    assert seen.files == ()


INTERRUPTED = """
turns:
  - when: Wait
    replies: [{text: I start., code: "import time; time.sleep(600)"}]
  - when: Hi
    replies: [{code: print(42)}, {text: Hello.}]
"""


async def test_an_interrupt_cancels_the_response(backend, script):
    stop = CancelToken()
    model = script(INTERRUPTED)

    def show(seen):
        if any(part.state == "running" for part in seen.parts if isinstance(part, view.Code)):
            stop()

    seen = await asked(backend, Question("Wait.", model=model), show, stop)
    assert (seen.status, seen.text) == ("interrupted", "I start.")
    # The same container runs code again, so what ran there has ended.
    again = await asked(backend, Question("Hi.", (), seen.thread, model))
    assert (again.text, logs(again)) == ("Hello.", "42\n")
    assert again.thread.split("|")[1] == seen.thread.split("|")[1]


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    """Serve containers that expire very soon."""
    with serving(tmp_path_factory.mktemp("engine"), bounds=Bounds(container_idle=IDLE)) as url:
        yield Service(f"{url}/v1", TOKEN)


EXPIRING = f"""
turns:
  - - code: |
        {LOAD.strip()}
        sales.to_csv("/mnt/data/totals.csv")
    - text: "I made a table."
  - - code: |
        import os
        print(sorted(os.listdir("/mnt/data")), "sales" in globals())
        {LOAD.strip()}
        print(sales.shape)
    - text: "It is all there."
"""


@pytest.mark.slow
async def test_an_expired_container_is_rebuilt(brief, attached, script, tmp_path):
    home = tmp_path / "home"
    backend = Responses(brief, "openai", ContainerCopies(home, brief.url), UploadLog(home))
    model = script(EXPIRING)
    first = await asked(backend, Question("Make it.", attached(sales=SALES), model=model))
    assert first.status == "completed"
    await asyncio.sleep(IDLE + 0.2)
    second = await asked(backend, Question("Is it there?", (), first.thread, model))
    assert (second.status, second.text) == ("completed", "It is all there.")
    assert logs(second) == "['load_sales.py', 'sales.csv', 'totals.csv'] False\n(4, 2)\n"
    notices = [part.text for part in second.parts if isinstance(part, view.Notice)]
    assert len(notices) == 1
    assert "expired" in notices[0]
    assert second.thread.split("|")[1] != first.thread.split("|")[1]


async def test_cleanup_deletes_containers_and_copies(backend, attached, script, service):
    seen = await asked(backend, Question("Compare.", attached(sales=SALES), model=script(WHOLE)))
    known = backend.upload_log.entries(service.url)
    assert [entry.name for entry in known] == ["load_sales.py", "sales.csv"]
    assert await backend.cleanup() == 4
    assert backend.upload_log.entries(service.url) == []
    assert list(backend.copies.containers()) == []
    with pytest.raises(openai.NotFoundError):
        await service.open(max_retries=0).containers.retrieve(seen.thread.split("|")[1])


async def test_the_same_cell_runs_on_azure(monkeypatch, engine, script):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    state = Assistant({"sales": SALES})
    options = from_keywords(("sales",), {"model": script(WHOLE), "quiet": True, "out": "top"})
    turn = await state.ask("Compare.", options)
    assert (turn.status, turn.view.target) == ("completed", "azure")
    assert list(state.namespace["top"]["region"]) == ["North", "South"] * 2
    second = await state.ask("Rows?", from_keywords((), {"model": script(WHOLE), "quiet": True}))
    assert second.text == "Four rows."


CALLS = """
turns:
  - - text: "I ask."
      calls:
      - code: "print('and code')"
      - tool: {name: price, arguments: {symbol: ACME, days: 2}}
      - tool: {name: price, arguments: {symbol: 3}}
      usage: {prompt_tokens: 10, completion_tokens: 2}
    - tool: {name: price, arguments: {symbol: NEXT}}
      usage: {prompt_tokens: 20, completion_tokens: 3}
    - text: "It is 42."
      usage: {prompt_tokens: 30, completion_tokens: 4}
  - - text: "Goodbye."
"""


def price(symbol: str, days: int = 1) -> dict[str, float]:
    """Return the price of a share."""
    return {symbol: 21.0 * days}


async def test_functions_of_the_notebook_are_called(backend, script):
    functions = find(["price"], {"price": price})
    model = script(CALLS)
    seen = await asked(backend, Question("Price?", model=model, functions=functions))
    assert (seen.status, seen.error, seen.text) == ("completed", None, "I ask.\n\nIt is 42.")
    said = [part.text for part in seen.parts if isinstance(part, view.Notice)]
    assert said[0] == 'price({"symbol": "ACME", "days": 2}) → {"ACME": 42.0}'
    assert "ValidationError" in said[1]
    assert said[2].endswith('→ {"NEXT": 21.0}')
    assert logs(seen) == "and code\n"
    assert (seen.usage.input_tokens, seen.usage.output_tokens) == (60, 9)
    again = await asked(backend, Question("Bye.", (), seen.thread, model))
    assert again.text == "Goodbye."
