"""``aoai-magic mcp`` as a process of its own, driven by the MCP package's own client."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest
from jupyter_client import KernelManager
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

FRAME = """
import pandas as pd
sales = pd.DataFrame({
    "region": pd.Categorical(["north", "south", None]),
    "day": pd.to_datetime(["2026-01-01", "2026-01-02", None]).tz_localize("Asia/Tokyo"),
    "units": pd.array([1, None, 3], dtype="Int64"),
})
secret = pd.DataFrame({"key": ["hunter2"]})
"""
ANSWER = """
turns:
  - - code: |
        import os
        print(os.listdir())
        open("made.txt", "w").write("42")
    - text: It is 42.
"""


def server(home, *arguments, **environ):
    known = {"AOAI_MAGIC_HOME": str(home), "AOAI_MAGIC_LANG": "en", **environ}
    words = ["-m", "aoai_magic", "mcp", *map(str, arguments)]
    return StdioServerParameters(command=sys.executable, args=words, env=known)


@pytest.fixture
def client(tmp_path):
    # Entered in the test itself: the client's tasks end in the task in which they began.
    return Client(stdio_client(server(tmp_path / "home")))


def texts(result):
    return "".join(one.text for one in result.content if one.type == "text")


async def test_variables_stay_and_an_error_is_the_codes_own_traceback(client):
    async with client:
        first = await client.call_tool("run_python", {"code": "def f(n): return 1 / n\nf(2)"})
        assert (texts(first), first.is_error) == ("0.5\n", False)
        second = await client.call_tool("run_python", {"code": "f(0)"})
        assert second.is_error
        assert texts(second).splitlines()[0] == "Traceback (most recent call last):"
        assert texts(second).endswith("ZeroDivisionError: division by zero\n")
        assert "aoai_magic" not in texts(second)
        fresh = await client.call_tool("run_python", {"code": "f(2)", "session": "new"})
        assert "NameError" in texts(fresh)
        known = {"code": "f(4)", "session": first.structured_content["session"]}
        assert texts(await client.call_tool("run_python", known)) == "0.25\n"


async def test_figures_tables_and_files_come_each_in_their_form(client):
    async with client:
        code = (
            "import pandas as pd, matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()\n"
            "days = pd.to_datetime(['2026-01-01'] * 2)\n"
            "frame = pd.DataFrame({'größe': [1.5, None], 'day': days})\n"
            "frame.to_csv('a b.csv', index=False)\nframe"
        )
        result = await client.call_tool("run_python", {"code": code})
        image = next(one for one in result.content if one.type == "image")
        assert base64.b64decode(image.data).startswith(b"\x89PNG")
        told = result.structured_content
        (table,) = told["tables"]
        assert [one["größe"] for one in table["data"]] == [1.5, None]
        assert {one["name"]: one["type"] for one in table["schema"]["fields"]}["day"] == "datetime"
        (file,) = told["files"]
        assert (file["name"], [one.uri for one in result.content[-1:]]) == (
            "a b.csv",
            [file["uri"]],
        )
        (content,) = (await client.read_resource(file["uri"])).contents
        assert base64.b64decode(content.blob).decode().splitlines()[0] == "größe,day"


async def test_what_code_must_not_reach_it_does_not(client, tmp_path):
    async with client:
        result = await client.call_tool(
            "run_python", {"code": f"import os; os.listdir({str(tmp_path)!r})"}
        )
        assert result.is_error
        handle = result.structured_content["session"]
        link = "import os; os.symlink('/etc/passwd', 'link'); os.mkfifo('pipe')"
        assert not (await client.call_tool("run_python", {"code": link})).structured_content[
            "files"
        ]
        for name in ("link", "pipe", "../secret", "%2e%2e/secret", "/etc/passwd"):
            with pytest.raises(MCPError):
                await client.read_resource(f"session://{handle}/{name}")
        with pytest.raises(MCPError):
            await client.read_resource("session://guessed/a.txt")


async def test_code_that_takes_too_long_is_stopped_and_its_session_goes_on(client):
    async with client:
        await client.call_tool("run_python", {"code": "kept = 1"})
        result = await client.call_tool("run_python", {"code": "while True: pass", "timeout": 1})
        assert (result.is_error, result.structured_content["outcome"]) == (True, "limit")
        assert texts(await client.call_tool("run_python", {"code": "kept"})) == "1\n"


async def test_a_question_attaches_nothing_and_its_files_are_in_the_session(
    engine, script, tmp_path
):
    (tmp_path / "private.csv").write_text("a\n1\n")
    environ = {"AOAI_MAGIC_TARGET": engine.url, "AOAI_MAGIC_TOKEN": engine.token}
    parameters = server(tmp_path / "home", AOAI_MAGIC_MODEL=script(ANSWER), **environ)
    async with Client(stdio_client(parameters)) as client:
        asked = f"What is in @{tmp_path / 'private.csv'}?"
        result = await client.call_tool("ask", {"question": asked})
        assert texts(result).strip() == "It is 42."
        code = "import os; print(os.listdir(), open('made.txt').read())"
        told = await client.call_tool("run_python", {"code": code})
    assert texts(told) == "['made.txt'] 42\n"


# HTTP


@contextmanager
def http_server(home):
    command = [sys.executable, "-m", "aoai_magic", "mcp", "--http", "--port", "0"]
    environ = {**os.environ, "AOAI_MAGIC_HOME": str(home)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        try:
            url = json.loads(process.stdout.readline())["url"]
            token = home / "mcp" / "token"
            assert token.stat().st_mode & 0o777 == 0o600
            yield url, token.read_text()
        finally:
            process.terminate()


@asynccontextmanager
async def connected(url, token, mode):
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


async def test_clients_of_http_need_the_token_and_have_sessions_of_their_own(tmp_path):
    left = tmp_path / "home" / "mcp" / "engine_killed"
    left.mkdir(parents=True)
    with http_server(tmp_path / "home") as (url, token):
        assert not left.exists()
        known = {"Authorization": f"Bearer {token}", "Host": "evil.example"}
        async with httpx2.AsyncClient() as http:
            assert (await http.post(url, json={})).status_code == 401
            assert (await http.post(url, json={}, headers=known)).status_code == 403
        async with connected(url, token, "legacy") as one, connected(url, token, "auto") as two:
            first = await one.call_tool("run_python", {"code": "x = 1"})
            assert texts(await one.call_tool("run_python", {"code": "x"})) == "1\n"
            told = await two.call_tool("run_python", {"code": "x"})
            assert "NameError" in texts(told)
            guessed = await two.call_tool("run_python", {"code": "x", "session": "main"})
            assert "There is no session 'main'" in texts(guessed)
            mine = {"code": "x", "session": first.structured_content["session"]}
            assert texts(await two.call_tool("run_python", mine)) == "1\n"
    assert [path.name for path in (tmp_path / "home" / "mcp").iterdir()] == ["token"]


# A notebook


class Notebook:
    """A real kernel."""

    def __init__(self, home):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, "AOAI_MAGIC_HOME": str(home)})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.run("%load_ext aoai_magic")

    def run(self, code):
        said = []

        def take(message):
            content = message["content"]
            said.append(content.get("text") or "\n".join(content.get("traceback", [])))

        # Else a cell after one that fails could be dropped.
        self.client.execute_interactive(code, stop_on_error=False, timeout=60, output_hook=take)
        return "".join(said)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def notebook(tmp_path):
    made = Notebook(tmp_path / "home")
    yield made
    made.close()


def shared_by(said):
    """Return what the client's configuration names, from the lines that the user reads."""
    line = next(line for line in said.splitlines() if '"notebook"' in line)
    told = json.loads("{" + line + "}")["notebook"]
    return told, Path(told["args"][-1])


@pytest.mark.kernel
async def test_a_notebook_shares_named_frames_and_nothing_else(notebook, tmp_path):
    notebook.run(FRAME)
    assert "There is no variable 'nothing'" in notebook.run("%assistant share sales nothing")
    assert "only DataFrames" in notebook.run("n = 5\n%assistant share n")
    told, file = shared_by(notebook.run("%assistant share sales"))
    assert file.stat().st_mode & 0o777 == 0o600
    where = json.loads(file.read_text())
    assert Path(where["socket"]).parent.stat().st_mode & 0o777 == 0o700
    parameters = StdioServerParameters(
        command=told["command"], args=told["args"], env={"AOAI_MAGIC_HOME": str(tmp_path / "home")}
    )
    async with Client(stdio_client(parameters)) as client:
        listed = await client.call_tool("list_variables", {})
        assert listed.structured_content == {
            "variables": [{"name": "sales", "kind": "DataFrame, 3 × 3"}]
        }
        assert "Asia/Tokyo" in texts(await client.call_tool("describe", {"name": "sales"}))
        refused = await client.call_tool("attach", {"name": "secret"})
        assert refused.is_error
        assert "'secret' is not shared; shared are: sales." in texts(refused)
        assert not (await client.call_tool("attach", {"name": "sales"})).is_error
        code = "print(*sales.dtypes, sep=';'); sales.loc[0, 'units'] = 99"
        types = texts(await client.call_tool("run_python", {"code": code}))
        assert types == notebook.run("print(*sales.dtypes, sep=';')")
        assert types.startswith("category;datetime64[")
        assert notebook.run("print(sales['units'].sum())") == "4\n"
        notebook.run("from pathlib import Path\nsales = Path('/etc/passwd')")
        assert "is of type" in texts(await client.call_tool("attach", {"name": "sales"}))
        assert "Nothing is shared." in notebook.run("%assistant share --stop")
        gone = await client.call_tool("list_variables", {})
        assert "run %assistant share NAMES" in texts(gone)
    assert not file.exists()
    assert not Path(where["socket"]).parent.exists()


@pytest.mark.kernel
async def test_what_has_not_the_token_gets_nothing_of_the_kernel(notebook):
    import asyncio

    notebook.run(FRAME)
    where = json.loads(shared_by(notebook.run("%assistant share sales"))[1].read_text())
    for request in ({"action": "list"}, {"action": "list", "token": "x"}, ["list"], 7):
        reader, writer = await asyncio.open_unix_connection(where["socket"])
        writer.write(json.dumps(request).encode() + b"\n")
        assert json.loads(await reader.readline()) == {
            "error": "The token is not that of this kernel."
        }
        writer.close()
    told = {"token": where["token"], "action": "execute", "name": "sales"}
    reader, writer = await asyncio.open_unix_connection(where["socket"])
    writer.write(json.dumps(told).encode() + b"\n")
    assert "error" in json.loads(await reader.readline())
    writer.close()
