"""What the extension is told, through a shell, by the question that it sends."""

import base64
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import openai
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell
from jsonschema import Draft202012Validator
from serving import serving_app
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from traitlets.config import Config

from aoai_magic.backends import local_engine
from aoai_magic.errors import UsageError
from aoai_magic.notebook import lab_messages
from aoai_magic.notebook.magics import register, unregister
from aoai_magic.runner.options import from_keywords

SCHEMA = json.loads(Path(lab_messages.__file__).with_name("lab_messages.schema.json").read_text())
FORMS = {
    name: Draft202012Validator({**form, "$defs": SCHEMA["$defs"]})
    for name, form in SCHEMA["properties"].items()
}
ANSWERS = {
    **{name: (name, "refused") for name in ("names", "card", "overview", "table")},
    **{name: (name, "refused") for name in ("far", "download")},
    "adopt": ("named", "refused"),
    "fork": ("named", "question", "refused"),
    **{name: ("done", "refused") for name in lab_messages.QUESTIONS if name.startswith("delete")},
    **dict.fromkeys(("endSession", "settings"), ("done", "refused")),
}


@pytest.fixture
def ask():
    """Return the function that evaluates a question as the front end has it evaluated."""
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.reset()
    register(shell)

    def ask_(question, **variables):
        shell.user_ns.update(variables)
        words = json.dumps(json.dumps(question))
        answer = (
            f'__import__("aoai_magic.notebook.lab_messages", fromlist=["answer"]).answer({words})'
        )
        (reply,) = shell.user_expressions({"answer": answer}).values()
        assert reply["status"] == "ok", reply
        data = reply["data"]["application/json"]
        assert any(FORMS[name].is_valid(data) for name in ANSWERS.get(next(iter(question)), ()))
        return data

    yield ask_
    unregister(shell)
    InteractiveShell.clear_instance()


def test_names_of_variables_that_can_be_attached(ask):
    frame = pd.DataFrame({"a": [1, 2]})
    told = ask({"names": ["sales", "pd", "gone", "_x"]}, sales=frame, pd=pd, _x=frame)
    assert told["loaded"]
    assert told["names"] == {"sales": "DataFrame, 2 × 1"}


@pytest.mark.parametrize(
    ("value", "card"),
    [
        (
            pd.DataFrame({"region": pd.Categorical(["secret"]), "revenue": [1.5]}),
            "x: DataFrame, 1 × 2\nColumns:\n- region: category\n- revenue: float64",
        ),
        (pl.DataFrame({"a": [1]}), "x: DataFrame, 1 × 1\nColumns:\n- a: Int64"),
        (pa.table({"a": [1]}), "x: Table, 1 × 1\nColumns:\n- a: int64"),
        (np.zeros((3, 4)), "x: ndarray, 3 × 4"),
        (len, None),
    ],
)
def test_a_card_shows_the_schema_and_no_value(ask, value, card):
    assert ask({"card": "x"}, x=value) == {"card": card}


def test_the_overview_lists_data_threads_and_uploaded_files(ask, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path))
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    monkeypatch.setattr(local_engine.LAUNCHER, "engine", None)  # of another test
    told = ask({"overview": True}, sales=pd.DataFrame({"a": [1]}))["overview"]
    assert (told["target"], told["turns"], told["cost"]) == ("local", 0, None)
    assert told["data"]["sales"] == "DataFrame, 1 × 1"
    assert told["threads"] == told["files"] == []
    assert ask({"far": True}) == {"far": None}  # nothing is started to look at it


TURNS = """
turns:
  - - code: |
        sales.to_csv("/mnt/data/out.csv", index=False)
        x = len(sales)
    - text: "See [it](sandbox:/mnt/data/out.csv)."
      usage: {prompt_tokens: 1000, completion_tokens: 200, cached_tokens: 0}
  - - text: "Second."
  - - code: "import os; print(sorted(os.listdir('/mnt/data')), 'x' in globals())"
    - text: "Third."
"""


@pytest.fixture
def asked(ask, engine, script, monkeypatch, tmp_path):
    """One turn of a shell on the shared engine; gives the function that asks more."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(TURNS))
    shell = InteractiveShell.instance()
    shell.user_ns["sales"] = pd.DataFrame({"a": [1, 2]})
    state = shell.magics_manager.registry["AssistantMagics"].state

    def turn(question, **options):
        return state.ask_now(question, from_keywords((), options))

    turn("Save @sales.", thread="one")
    return turn


def test_remote_files_are_listed_fetched_and_deleted(ask, asked):
    (thread,) = ask({"overview": True})["overview"]["threads"]
    far = ask({"far": True})["far"]
    (session,) = [one for one in far["sessions"] if one["thread"] == "one"]
    assert session["id"] == thread["id"]
    assert session["memory"] > 1_000_000
    assert session["expires"] > time.time()
    assert thread["id"] not in [one["id"] for one in far["threads"]]
    file = far["files"][0]
    assert (file["name"], file["bytes"]) == ("out.csv", 6)
    assert thread["title"] == far["titles"][thread["id"]] == "Save @sales."
    assert ask({"overview": True})["overview"]["made"] == [file["id"]]
    told = ask({"download": file["id"]})
    assert (told["name"], base64.b64decode(told["data"])) == ("out.csv", b"a\n1\n2\n")
    digest = hashlib.sha256(b"a\n1\n2\n").hexdigest()
    page = {"sort": 0, "descending": True, "words": "", "offset": 0, "limit": 1}
    table = ask({"table": "out.csv", "sha256": digest, **page})
    assert table == {
        "columns": [{"name": "a", "isNumber": True}],
        "total": 2,
        "count": 2,
        "rows": [["2"]],
    }
    assert "does not have out.csv" in ask({"table": "out.csv", "sha256": "0" * 64, **page})["error"]
    assert ask({"deleteFile": file["id"]}) == {}
    assert "No such File" in ask({"download": file["id"]})["error"]

    (sent,) = ask({"overview": True})["overview"]["files"]
    assert (sent["name"], sent["here"], sent["own"]) == ("sales", True, True)
    assert ask({"download": sent["id"]})["name"] == "sales.arrow"
    ask({"deleteFile": sent["id"]})
    assert ask({"overview": True})["overview"]["files"] == []

    assert ask({"endSession": session["id"]}) == {}
    assert ask({"endSession": session["id"]}) == {}  # gone already
    assert session["id"] not in [one["id"] for one in ask({"far": True})["far"]["sessions"]]
    ask({"deleteThread": thread["id"], "target": thread["target"]})
    assert ask({"overview": True})["overview"]["threads"] == []


def test_a_thread_of_somebody_else_gets_a_name_here(ask, asked, engine):
    client = openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.token)
    items = [{"type": "message", "role": "user", "content": "Hello?"}]
    made = client.post("/conversations", body={"items": items}, cast_to=object)["id"]
    listed = ask({"far": True})["far"]["threads"][0]
    assert {"id": made, "title": "Hello?"}.items() <= listed.items()
    name = ask({"adopt": made})["name"]
    assert name == f"thread-{made[-6:]}"
    assert asked("More.", thread=name).thread == made


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_thread_of_the_assistants_api_goes_on_as_a_copy(ask, asked, engine):
    client = openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.token)
    made = client.beta.threads.create(messages=[{"role": "user", "content": "Hello?"}]).id
    turn = asked("More.", thread=ask({"adopt": made})["name"])
    assert turn.thread.startswith("conv_")
    assert "goes on as a copy" in turn.parts[0].text
    items = client.get(f"/conversations/{turn.thread}/items?order=asc", cast_to=object)["data"]
    assert [one["content"][0]["text"] for one in items[:2]] == ["Hello?", "More."]
    assert asked("More.", thread=f"thread-{made[-6:]}").thread == turn.thread


def test_a_fork_goes_on_from_its_turn_with_the_files(ask, asked, engine):
    first = InteractiveShell.instance().user_ns["_assistant"]
    asked("And?", thread="one")
    where = {"thread": first.thread, "target": engine.url}
    parts = [part.id for part in first.parts]
    assert ask({"fork": "one", "parts": parts, **where}) == {"name": "one-2"}
    client = openai.OpenAI(base_url=f"{engine.url}/v1", api_key=engine.token)
    known = {one["name"]: one["id"] for one in ask({"overview": True})["overview"]["threads"]}
    path = f"/conversations/{known['one-2']}/items?order=asc"
    told = client.get(path, cast_to=object)["data"]
    assert [one["type"] for one in told] == ["message", "code_interpreter_call", "message"]
    assert "to_csv" in told[1]["code"]
    assert told[2]["content"][0]["text"].startswith("See [it]")

    # The script's third turn is for threads with two turns before it.
    asked("And?", thread="one-2")
    assert asked("List.", thread="one-2").logs.split("]")[0] == "['out.csv', 'sales.arrow'"
    gone = ask({"fork": "one", "parts": ["msg_gone/0"], **where})["error"]
    assert gone.startswith("That answer is no longer in its thread")


def test_the_server_of_somebody_elses_record_is_asked_for(ask, asked, monkeypatch):
    heard = []

    async def anything(request):
        heard.append(request.headers["authorization"])
        return JSONResponse({"error": {"message": "enough"}}, status_code=400)

    routes = [Route("/{path:path}", anything, methods=["GET", "POST"])]
    with serving_app(Starlette(routes=routes)) as url:
        evil = url.replace("//", "//user:pass-word@")
        question = {"fork": "one", "thread": "thread_1", "parts": ["msg_1/0"]}
        for target in (url, evil):
            reply = ask({**question, "target": target})
            assert f"names the server {url}, which neither" in reply["question"]
        assert "error" not in ask({**question, "target": url, "agreed": "http://other"})
        assert heard == []
        assert "enough" in ask({**question, "target": url, "agreed": url})["error"]
        assert heard
        # The kernel's own settings name it now.
        monkeypatch.setenv("AOAI_MAGIC_TARGET", url)
        assert "enough" in ask({**question, "target": url})["error"]


def test_the_line_magic_forks_the_last_turn(asked):
    shell = InteractiveShell.instance()
    shell.run_line_magic("assistant", "fork 'try two'")
    assert asked("And?", thread="try two").status == "completed"
    with pytest.raises(UsageError, match="A thread named 'try two' already exists"):
        shell.run_line_magic("assistant", "fork 'try two'")
    with pytest.raises(UsageError, match="needs a name for the copy"):
        shell.run_line_magic("assistant", "fork")


def test_settings_of_the_front_end_are_the_weakest(ask, monkeypatch):
    state = InteractiveShell.instance().magics_manager.registry["AssistantMagics"].state
    assert ask({"settings": {"confirm_upload": True}}) == {}
    assert state.settings().confirm_upload is True
    assert state.settings().sources["confirm_upload"] == "JupyterLab"
    monkeypatch.setenv("AOAI_MAGIC_CONFIRM_UPLOAD", "false")
    assert state.settings().confirm_upload is False
    ask({"settings": {}})
    monkeypatch.delenv("AOAI_MAGIC_CONFIRM_UPLOAD")
    assert state.settings().sources["confirm_upload"] == "default"
