"""What is kept of the user's is shown, deleted on demand, and let go when it is old."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import openai
import pytest

from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint
from aoai_magic.config.settings import Settings
from aoai_magic.errors import UsageError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.cleanup import tidy
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.state.database import NAME
from aoai_magic.state.threads import Threads, started_threads
from aoai_magic.state.uploads import UploadLog

SCRIPT = """
turns:
  - when: "."
    replies:
      - code: "open('/mnt/data/totals.csv', 'w').write('region,revenue\\\\nN,1\\\\n')"
      - text: "See [the totals](sandbox:/mnt/data/totals.csv)."
"""


@pytest.fixture
def notebook(engine, script, monkeypatch, tmp_path):
    """Return the assistant of a notebook of that name, all over one data directory."""
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_HOME", str(tmp_path / "home"))

    def open_(name):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        return Assistant({"rows": {"of": name}})

    return open_


@pytest.fixture
async def api(engine):
    async with openai.AsyncOpenAI(base_url=f"{engine.url}/v1", api_key=engine.token) as client:
        yield client


async def exists(api, turn):
    try:
        await api.get(f"/conversations/{turn.thread}", cast_to=object)
    except openai.NotFoundError:
        return False
    return True


async def test_cleanup_is_of_this_notebook_unless_told_otherwise(
    notebook, api, monkeypatch, capsys, tmp_path
):
    options = Options(items=("rows",), thread="report", save=str(tmp_path / "out"), overwrite=True)
    theirs = await notebook("b.ipynb").ask("Totals?", options)
    here = notebook("a.ipynb")
    named = await here.ask("Totals?", options)
    unnamed = await here.ask("Totals?", Options(items=("rows",)))
    capsys.readouterr()

    asked = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    run_command(here, "cleanup")
    said = capsys.readouterr().out
    assert "What this notebook left at http" in said
    assert "1 uploaded file" in said
    assert "2 threads with sessions" in said
    assert "2 files that code made, 38 bytes" in said
    assert "Nothing was deleted." in said
    assert len(asked) == 1
    assert await exists(api, named)

    monkeypatch.setattr("builtins.input", lambda question: "y")
    run_command(here, "cleanup")
    assert "Deleted." in capsys.readouterr().out
    assert [await exists(api, turn) for turn in (named, unnamed, theirs)] == [False, False, True]
    assert [entry.place for entry in UploadLog(tmp_path / "home").entries()] == ["b.ipynb"]
    run_command(here, "cleanup")
    assert "nothing to delete" in capsys.readouterr().out
    # The kernel goes on, and its answers are still there.
    assert named.files["totals.csv"].data
    again = await here.ask("Totals?", Options(items=("rows",)))
    assert again.troubles == []

    (tmp_path / "home" / "state.sqlite3.broken-1").write_bytes(b"x")
    capsys.readouterr()
    run_command(here, "cleanup --all --yes")
    said = capsys.readouterr().out
    assert "2 threads with sessions" in said
    assert "1 unused item in the data directory" in said
    assert not await exists(api, theirs)
    assert started_threads(tmp_path / "home") == []
    assert UploadLog(tmp_path / "home").entries() == []
    assert here.threads(here.settings()).all() == []
    assert not list((tmp_path / "home").glob("*.broken-*"))


async def test_what_cleanup_does_not_take_is_named(notebook):
    with pytest.raises(UsageError, match="does not take --everything"):
        run_command(notebook("a.ipynb"), "cleanup --everything")


async def test_what_is_old_or_too_much_goes_by_itself(engine, api, tmp_path):
    home = tmp_path / "home"
    upload_log, threads = UploadLog(home, "a.ipynb"), Threads(home, "a.ipynb")
    backend = EngineBackend(Endpoint(engine.url, engine.token), "local", upload_log, "local")
    made = [await api.post("/conversations", cast_to=object) for _ in range(2)]
    old, new = [one["id"] for one in made]
    threads.put("old", "local", old)
    threads.put("new", "local", new)
    elsewhere = "https://team.example"
    threads.put("old", elsewhere, "thread_of_a_server")
    sent = []
    for number in range(3):
        file = await api.files.create(file=(f"{number}.bin", bytes(900_000)), purpose="assistants")
        upload_log.record("local", f"d{number}", file.id, f"{number}.bin", 900_000)
        sent.append(file.id)
    with closing(sqlite3.connect(home / NAME)) as database, database:
        database.execute(
            "UPDATE begun_threads SET used = ? WHERE id <> ?", (time.time() - 100 * 86400, new)
        )

    await tidy(Settings(home=str(home), keep_days=90, keep_mb=2), "local", backend, threads)
    assert [known.id for known in threads.all()] in (
        [new, "thread_of_a_server"],
        ["thread_of_a_server", new],
    )
    with pytest.raises(openai.NotFoundError):
        await api.get(f"/conversations/{old}", cast_to=object)
    await api.get(f"/conversations/{new}", cast_to=object)
    # The oldest file goes, of 2.7 MB (and what other tests made before).
    kept = [entry.file_id for entry in upload_log.entries()]
    assert sent[0] not in kept
    assert sent[2] in kept
    with pytest.raises(openai.NotFoundError):
        await api.files.retrieve(sent[0])

    # Once a day.
    await tidy(Settings(home=str(home), keep_days=90, keep_mb=1), "local", backend, threads)
    assert [entry.file_id for entry in upload_log.entries()] == kept


async def test_what_cannot_be_tidied_fails_nothing(tmp_path):
    backend = EngineBackend(
        Endpoint("http://127.0.0.1:9", "k"), "local", UploadLog(tmp_path), "local"
    )
    await tidy(Settings(home=str(tmp_path)), "local", backend, Threads(tmp_path, "a.ipynb"))
