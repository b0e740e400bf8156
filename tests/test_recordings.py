"""Recorded turns: played alike with no server, and refused when they no longer fit."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import nbclient
import nbformat
import openai
import pandas as pd
import pytest

from aoai_magic.errors import AssistantError, TurnError
from aoai_magic.notebook.line_commands import run_command
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.runner.recordings import Tape
from aoai_magic.turn import events
from aoai_magic.turn.view import View

SCRIPT = """
turns:
  - when: plot
    replies:
      - text: "I look at **sales**."
        chunk: 4
        code: |
          print("counted", len(sales))
          ax = sales.plot()
          sales.to_csv("/mnt/data/out.csv", index=False)
      - text: "Done; 済み。"
        usage: {prompt_tokens: 9, completion_tokens: 2}
  - when: break
    replies:
      - error: {message: "The model has gone away."}
  - when: "."
    replies:
      - code: "print('again')"
      - text: Hello.
"""
NOWHERE = "http://127.0.0.1:9"

pytestmark = pytest.mark.once


@pytest.fixture
def record(engine, script, monkeypatch, tmp_path):
    """Return an assistant that asks an engine and records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT))
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_RECORDINGS", "recordings")

    def make(mode="record"):
        monkeypatch.setenv("AOAI_MAGIC_RECORDINGS_MODE", mode)
        return Assistant({"sales": pd.DataFrame({"revenue": [1, 3]})})

    return make


@pytest.fixture
def play(record, monkeypatch):
    """Return an assistant that plays, and could ask nobody."""

    def make(mode="replay"):
        monkeypatch.setenv("AOAI_MAGIC_TARGET", NOWHERE)
        monkeypatch.delenv("AOAI_MAGIC_TOKEN", raising=False)
        monkeypatch.delenv("AOAI_MAGIC_MODEL", raising=False)
        return record(mode)

    return make


@pytest.fixture
def files(tmp_path, record):
    return lambda: sorted((tmp_path / "recordings").glob("*.json"))


SALES = Options(("sales",), out="out")


async def test_turns_are_played_as_they_were(record, play, files, engine):
    first = record()
    asked = [await first.ask("plot", SALES), await first.ask("again", Options())]
    assert len(files()) == 2
    text = "".join(path.read_text("utf-8") for path in files())
    assert "済み" in text
    assert engine.token not in text
    again = play()
    played = [await again.ask("plot", SALES), await again.ask("again", Options())]
    for before, now in zip(asked, played, strict=True):
        assert now.view == before.view
    assert again.namespace["out"].equals(first.namespace["out"])
    assert again.threads(again.settings()).all() == []
    assert (
        again.usage_log(again.settings()).sums()[0].turns == 1
    )  # that one was asked and has usage
    pending = await play().ask("plot", replace(SALES, background=True))
    assert (await pending).view == asked[0].view


@pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)
async def test_what_a_service_answered_is_played_without_its_key(record, engine, monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    first = record()
    monkeypatch.delenv("AOAI_MAGIC_TARGET")
    options = Options(("sales",))
    asked = [await first.ask(prompt, options) for prompt in ("plot", "again")]
    assert {turn.view.target for turn in asked} == {"azure"}
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AOAI_MAGIC_MODEL"):
        monkeypatch.delenv(name)
    again = record("replay")
    monkeypatch.setenv("AOAI_MAGIC_TARGET", NOWHERE)
    for turn in asked:
        assert (await again.ask(turn.view.question, options)).view == turn.view


@pytest.mark.parametrize(
    ("options", "prompt", "value", "said"),
    [
        (SALES, "plot", 4, "the data sales has changed since"),
        (SALES, "replot", 3, "holds no recording of this question; record it"),
        (Options(("sales",), rows=1), "plot", 3, "the data sales and --rows have changed since"),
        (Options(("sales",), model="offline"), "plot", 3, "--model has changed since"),
        (Options(("sales",), instructions="Be brief."), "plot", 3, "--instructions has changed"),
        (Options(), "plot", 3, "the data sales has changed since"),
    ],
)
async def test_what_no_longer_fits_says_what_has_changed(
    record, play, files, options, prompt, value, said
):
    await record().ask("plot", SALES)
    assistant = play()
    assistant.namespace["sales"] = pd.DataFrame({"revenue": [1, value]})
    with pytest.raises(AssistantError) as caught:
        await assistant.ask(prompt, options)
    assert said in str(caught.value)
    assert "AOAI_MAGIC_RECORDINGS_MODE=record" in str(caught.value)
    assert assistant.last is None
    assert len(files()) == 1


async def test_a_later_question_names_what_came_before(record, play):
    first = record()
    for prompt in ("hello", "and then"):
        await first.ask(prompt, Options())
    assistant = play()
    with pytest.raises(AssistantError, match="what was asked before in the thread has changed"):
        await assistant.ask("and then", Options())
    await assistant.ask("hello", Options())
    with pytest.raises(AssistantError, match="the question has changed since"):
        await assistant.ask("and now", Options())
    assert (await assistant.ask("and then", Options())).text == "Hello."
    # A thread begun afresh has nothing before.
    assert (await assistant.ask("hello", Options(new=True))).text == "Hello."


async def test_auto_plays_what_is_there_and_records_the_rest(record, files, play):
    assert (await record("auto").ask("hello", Options())).text == "Hello."
    made = files()
    stamp = made[0].stat().st_mtime_ns
    assistant = record("auto")
    await assistant.ask("hello", Options())
    assert made[0].stat().st_mtime_ns == stamp
    with pytest.raises(AssistantError, match="the thread's earlier turns were played"):
        await assistant.ask("something new", Options(new=False))
    assert (await assistant.ask("something new", Options(new=True))).text == "Hello."
    assert len(files()) == 2
    await record("record").ask("hello", Options())
    assert made[0].stat().st_mtime_ns > stamp


async def test_a_turn_without_a_whole_answer_is_not_recorded(record, files):
    assistant = record()
    with pytest.raises(TurnError, match="gone away"):
        await assistant.ask("break", Options())
    assert files() == []


async def test_a_folder_that_cannot_be_written_costs_no_answer(record, tmp_path):
    (tmp_path / "recordings").write_text("a file is in the way")
    assistant = record()
    with pytest.raises(AssistantError, match="could not be recorded"):
        await assistant.ask("hello", Options())
    assert (assistant.last.status, assistant.last.text) == ("completed", "Hello.")


async def test_a_recording_follows_no_link_and_is_the_users_alone(record, files, tmp_path):
    await record().ask("hello", Options())
    (path,) = files()
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for name in (path.name, f".{path.name}.{os.getpid()}"):
        path.with_name(name).unlink(missing_ok=True)
        path.with_name(name).symlink_to(mine)
    await record().ask("hello", Options())
    assert mine.read_text() == "mine"
    assert not path.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"version": 2}', '{"version": 1, "question": {}, "events": [{"event": "Exec"}]}'],
)
async def test_a_broken_recording_is_named(record, play, files, content):
    await record().ask("hello", Options())
    (path,) = files()
    path.write_text(content)
    with pytest.raises(AssistantError, match=f"{path.name} is not a readable recording"):
        await play().ask("hello", Options())


async def test_every_event_is_read_as_it_was_written(tmp_path):
    usage = events.Usage(1, 2, 3, 4, estimated=True)
    story = [
        events.Started("thread_1", "http://me:secret@engine:1", "m", "namespaces"),
        events.ReasoningDelta("r", "Thoughts\n\nof it"),
        events.ReasoningDone("r", "Thoughts", 1.5),
        events.TextDelta("t", "a\r\n"),
        events.TextDelta("t", "b\u2028\udcff"),
        events.TextDone("t", "a\r\nb\u2028\udcff\n"),
        events.CodeDelta("c", "x = 1"),
        events.CodeRunning("c"),
        events.LogsDelta("c", "1\n2"),
        events.CodeDone("c", "no", 0.5, "x = 1\n", ""),
        events.ImageMade("i", "plot.png", b"\x89PNG\0"),
        events.FileMade("out.csv", b"a,b\r\n1,2\n", "file_1"),
        events.FileMade("empty", b""),
        events.Notice("Read this."),
        events.Progress("sending", 1, 2),
        events.UsageReported(usage, 0.25),
    ]
    question = {"prompt": "日本語? ../x", "after": ""}
    question |= {key: {} for key in ("data", "documents", "functions", "options")}

    tape = Tape(tmp_path, "record")
    assert not tape.find(question)
    assert [tape(event) for event in story] == story
    tape.keep(View(status="completed", seconds=2.0))
    assert tape.path.parent == tmp_path
    assert "secret" not in tape.path.read_text("utf-8", "surrogatepass")
    again = Tape(tmp_path, "replay")
    assert again.find(question)
    expected = [event for event in story if not isinstance(event, events.Progress)]
    expected[0] = replace(expected[0], target="http://engine:1")
    expected[3:5] = [events.TextDelta("t", "a\r\nb\u2028\udcff")]
    assert list(again.play()) == [*expected, events.Finished("completed", seconds=2.0)]


async def test_a_recording_can_be_read_and_compared_line_by_line(record, files):
    await record().ask("plot", SALES)
    document = json.loads(files()[0].read_text("utf-8"))
    made = {event["event"]: event for event in document["events"]}
    assert made["FileMade"]["data"] == {"text": ["revenue\n", "1\n", "3\n"]}
    assert made["CodeDelta"]["text"][1] == "ax = sales.plot()\n"
    assert max(len(line) for line in made["ImageMade"]["data"]["base64"]) <= 76


@pytest.mark.kernel
def test_a_notebook_runs_again_without_an_engine_and_comes_out_the_same(
    record, play, monkeypatch, tmp_path
):
    cells = [
        "%load_ext aoai_magic\nimport pandas as pd\nsales = pd.DataFrame({'revenue': [1, 3]})",
        "%%assistant sales -o out\nplot",
        "print(out.revenue.sum(), _assistant.files['out.csv'].text)",
    ]

    def run():
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        place = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(made, timeout=90, resources=place).execute()
        return [cell.outputs for cell in made.cells]

    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "auto")
    record()
    asked = run()
    play()
    assert run() == asked
    assert any("image/png" in output.get("data", {}) for output in asked[1])


def test_nothing_is_started_or_imported_to_play(record, play, capsys):
    run_command(record(), "status")
    assert "recordings recordings, record (environment)" in capsys.readouterr().out
    code = (
        "import sys, aoai_magic; sales = {'a': 1}; print(aoai_magic.ask('hello', sales).text);"
        "print('openai' in sys.modules)"
    )

    def run():
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert run().stdout.splitlines()[-1] == "True"
    play()
    assert run().stdout.splitlines()[-2:] == ["Hello.", "False"]
