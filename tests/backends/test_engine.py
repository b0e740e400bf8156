"""Turns at an engine of ours, in a process of its own."""

import asyncio
import gc
from pathlib import Path

import pandas as pd
import pytest
from serving import TOKEN, serving

from aoai_magic._version import CONTRACT, __version__
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint, client
from aoai_magic.engine.api import status
from aoai_magic.errors import ServiceError
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

WHOLE = """
turns:
  - - text: "I look."
      code: |
        # A first try
        print(sales["nothing"])
    - code: |
        # Totals
        import matplotlib.pyplot as plt
        totals = sales.groupby("region")["revenue"].sum()
        totals.plot.bar()
        totals.to_csv("/mnt/data/totals.csv")
        print(totals)
      usage: {prompt_tokens: 100, completion_tokens: 20}
    - text: "South has 7; see [the table](sandbox:/mnt/data/totals.csv)."
  - - code: "print(len(totals), sales.shape)"
    - text: "Two."
"""

SLOW = """
turns:
  - - text: "Slowly."
      code: "import time; time.sleep(60)"
    - text: never
"""

SALES = pd.DataFrame({"region": ["North", "South"] * 2, "revenue": [1, 3, 2, 4]})


@pytest.fixture
def backend(engine, tmp_path):
    return EngineBackend(
        Endpoint(engine.url, engine.token), "local", UploadLog(tmp_path / "ledger"), "here"
    )


@pytest.fixture
def attached(tmp_path):
    def attach(**variables):
        return resolve(list(variables), "", variables, tmp_path, folder=tmp_path)

    return attach


async def asked(backend, question, show=lambda view: None, stop=None):
    return await follow(backend.turn(question), show, stop or CancelToken(), timeout=60)


async def test_a_whole_turn_and_a_second_one(backend, attached, script):
    model = script(WHOLE)
    seen = await asked(backend, Question("Compare.", attached(sales=SALES), model=model))
    assert seen.status == "completed", seen.error
    kinds = [type(part).__name__ for part in seen.parts]
    assert kinds == ["Text", "Code", "Logs", "Code", "Logs", "Image", "Text"]
    first, second = (part for part in seen.parts if isinstance(part, view.Code))
    assert (first.state, second.state, second.attempt) == ("failed", "done", 2)
    assert "KeyError" in first.error
    assert "South    7" in seen.parts[4].text
    assert seen.parts[5].data.startswith(b"\x89PNG")
    assert [(file.name, file.data) for file in seen.files] == [
        ("totals.csv", b"region,revenue\nNorth,3\nSouth,7\n")
    ]
    assert seen.usage.input_tokens >= 100
    assert seen.isolation == "namespaces"

    again = await asked(backend, Question("How many?", thread=seen.thread, model=model))
    assert again.thread == seen.thread
    assert [part.text for part in again.parts if isinstance(part, view.Logs)] == ["2 (4, 2)\n"]


async def test_every_turn_says_that_nothing_is_isolated(tmp_path, script):
    model = script('turns:\n  - {when: ".", replies: [{code: "print(1)"}, {text: "Yes."}]}')
    thread = None
    with serving(tmp_path, sandbox="local:unisolated") as url:
        backend = EngineBackend(
            Endpoint(url, TOKEN), "local", UploadLog(tmp_path / "ledger"), "here"
        )
        for _ in range(2):
            seen = await asked(backend, Question("Here?", thread=thread, model=model))
            thread = seen.thread
            assert seen.isolation == "none"
            (notice,) = [part for part in seen.parts if isinstance(part, view.Notice)]
            assert "local:unisolated" in notice.text


async def test_unchanged_data_is_sent_once(backend, attached, script):
    model = script('turns:\n  - {when: ".", replies: [{text: "Yes."}]}')
    for _ in range(2):
        await asked(backend, Question("Here?", attached(sales=SALES), model=model))
    assert len(backend.upload_log.entries("here")) == 1
    changed = SALES.assign(revenue=[1, 3, 2, 5])
    await asked(backend, Question("Here?", attached(sales=changed), model=model))
    assert len(backend.upload_log.entries("here")) == 2


async def test_data_that_the_server_lost_is_sent_again(backend, attached, script):
    model = script('turns:\n  - {when: ".", replies: [{code: "print(sales.shape)"}, {text: "."}]}')
    question = Question("Here?", attached(sales=SALES), model=model)
    await asked(backend, question)
    await backend.delete(backend.upload_log.entries("here")[0].file_id)
    seen = await asked(backend, question)
    assert [part.text for part in seen.parts if isinstance(part, view.Logs)] == ["(4, 2)\n"]


async def test_cleanup_deletes_what_was_sent(backend, attached, script):
    model = script('turns:\n  - {when: ".", replies: [{text: "Yes."}]}')
    await asked(backend, Question("Here?", attached(sales=SALES), model=model))
    assert await backend.cleanup() == 1
    assert backend.upload_log.entries("here") == []


async def test_a_stop_cancels_the_run_and_the_thread_goes_on(backend, script):
    endless = "turns:\n  - - code: |\n        import time\n        print('on', flush=True)\n"
    model = script(endless + "        time.sleep(60)\n    - text: never\n  - - text: again\n")
    stop = CancelToken()
    seen = await asked(
        backend,
        Question("Go.", model=model),
        lambda view: stop() if len(view.parts) > 1 else None,
        stop,
    )
    assert seen.status == "interrupted"
    assert [type(part).__name__ for part in seen.parts] == ["Code", "Logs"]
    after = await asked(backend, Question("And now?", thread=seen.thread, model=model))
    assert (after.status, after.text, after.error) == ("completed", "again", None)


async def test_a_thread_that_somebody_else_works_in_is_not_waited_for(backend, script):
    model, stop = script(SLOW), CancelToken()
    begun = asyncio.Event()
    first = asyncio.create_task(
        asked(backend, Question("Go.", model=model), lambda view: view.parts and begun.set(), stop)
    )
    await begun.wait()
    thread = (await client(backend.endpoint).get("/engine/threads", cast_to=object))["data"][0]
    second = await asked(backend, Question("Me too.", thread=thread["id"], model=model))
    stop()
    assert (second.status, (await first).status) == ("failed", "interrupted")
    assert "currently operating on this conversation" in second.error


async def test_a_model_that_fails_leaves_what_it_said(backend, script):
    model = script('turns:\n  - - text: "Half a"\n      error: {message: "The model broke."}\n')
    seen = await asked(backend, Question("Say.", model=model))
    assert (seen.status, seen.text, seen.error) == ("failed", "Half a", "The model broke.")


async def test_an_unknown_model_is_a_sentence(backend):
    seen = await asked(backend, Question("Say.", model="scripted:/nowhere.yaml"))
    assert seen.status == "failed"
    assert "/nowhere.yaml" in seen.error


async def test_a_wrong_key_is_a_sentence_without_the_key(engine, tmp_path):
    wrong = EngineBackend(Endpoint(engine.url, "sk-very-secret"), "x", UploadLog(tmp_path), "x")
    with pytest.raises(ServiceError, match="refused") as caught:
        await wrong.status()
    assert "very-secret" not in str(caught.value)
    assert "very-secret" not in repr(wrong)


def test_event_loops_that_have_ended_leave_no_connections(backend):
    def descriptors():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    asyncio.run(backend.status())
    before = descriptors()
    for _ in range(5):
        asyncio.run(backend.status())
    assert descriptors() <= before + 1


async def test_an_engine_that_is_not_there_is_a_sentence(tmp_path):
    gone = EngineBackend(Endpoint("http://127.0.0.1:9", "k"), "x", UploadLog(tmp_path), "x")
    with pytest.raises(ServiceError, match="could not be reached"):
        await gone.status()


@pytest.mark.parametrize(
    ("contract", "advice"),
    [
        (CONTRACT + 1, "run pip install -U aoai-magic here and restart the kernel."),
        (
            CONTRACT - 1,
            "run pip install -U 'aoai-magic[local]' where the engine runs and restart it.",
        ),
    ],
)
async def test_an_engine_of_another_contract_is_a_sentence(tmp_path, monkeypatch, contract, advice):
    monkeypatch.setattr(status, "CONTRACT", contract)
    monkeypatch.setattr(status, "__version__", "7.0")
    with serving(tmp_path) as url:
        backend = EngineBackend(Endpoint(url, TOKEN), url, UploadLog(tmp_path), url)
        seen = await asked(backend, Question("Say."))
    assert seen.error == (
        f"The engine at {url} is aoai_magic 7.0, which {__version__} here cannot use; {advice}"
    )


async def test_a_version_that_differs_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(status, "__version__", "7.0")
    with serving(tmp_path) as url:
        backend = EngineBackend(Endpoint(url, TOKEN), url, UploadLog(tmp_path), url)
        assert (await backend.status())["version"] == "7.0"


async def test_many_turns_at_once_are_not_mixed_up(backend, script):
    model = script('turns:\n  - {when: ".", replies: [{code: "print(6 * 7)"}, {text: ok}]}')
    views = await asyncio.gather(
        *(asked(backend, Question(f"Number {n}", model=model)) for n in range(8))
    )
    assert {seen.status for seen in views} == {"completed"}
    assert len({seen.thread for seen in views}) == 8
