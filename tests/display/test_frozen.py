"""The saved form of a turn."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest

from aoai_magic.display import open_screen, show
from aoai_magic.display.saved.bundles import LISTED_FILES, answer_output, bundles, worked
from aoai_magic.display.saved.turn_record import (
    FILES_TYPE,
    INLINE_FILE_BYTES,
    MEDIA_TYPE,
    record,
)
from aoai_magic.errors import UsageError
from aoai_magic.turn import events
from aoai_magic.turn.view import (
    Code,
    File,
    Image,
    Logs,
    Notice,
    Reasoning,
    Text,
    View,
)

from . import hostile, story

SCHEMAS = files("aoai_magic.display.saved")
SCHEMA = json.loads(SCHEMAS.joinpath("turn.schema.json").read_text())
FILES_SCHEMA = json.loads(SCHEMAS.joinpath("files.schema.json").read_text())


def part_output(part, **how):
    """The saved form of a part: of the answer, or of the work."""
    if isinstance(part, Text | Image | Notice):
        return answer_output(part)
    return worked(View(parts=(part,), seconds=3.2), **how)


def plain(part):
    return part_output(part, unfolded=True).data["text/plain"]


def marked(part):
    return part_output(part).data["text/markdown"]


def test_the_answer_comes_first_then_files_the_work_and_the_last_line():
    outputs = [output.data for output in bundles(story.final(story.turn()))]
    assert [next(iter(data)) for data in outputs] == [
        *("image/png", "text/markdown"),
        *("text/markdown", "text/markdown", "text/markdown", "text/markdown"),
    ]
    begin = [data["text/plain"].split("\n")[0] for data in outputs]
    # "I will look at the table first" announced the attempt that failed.
    assert begin[1].startswith("## North grew fastest")
    assert begin[2] == "customer  revenue"
    assert begin[3].startswith("- ▦ top.csv (1 row × 2 columns, 21 bytes)")
    assert "I will look at the **sales** table first." in outputs[4]["text/markdown"]
    assert begin[4] == "Worked 3.2 s · 2 steps · 1 failed attempt (_assistant.code, .logs)"


def test_nothing_that_was_printed_stands_outside_the_fold():
    outputs = [
        output.data["text/markdown"]
        for output in bundles(story.final(story.turn()))
        if "text/markdown" in output.data
    ]
    holding = [text for text in outputs if "2026-10" in text]
    assert [text.split("\n")[0] for text in holding] == ["<details>"]


def test_every_bundle_can_be_read_without_markdown_and_none_is_html():
    for output in bundles(story.final(story.turn())):
        assert "text/plain" in output.data
        assert "text/html" not in output.data


def test_code_stands_in_one_fold():
    part = Code("c", "# Growth by region\nx = 1\n", "done", seconds=0.4)
    assert marked(part) == (
        "<details>\n<summary>Worked 3.2 s · 1 step</summary>\n\n"
        "```python\n# Growth by region\nx = 1\n```\n\n</details>"
    )


def test_failed_code_says_which_attempt_and_why():
    part = Code("c", "x", "failed", attempt=2, error="KeyError: '<b>'", seconds=12)
    assert plain(part) == (
        "[Worked 3.2 s · 1 step · 1 failed attempt]\n"
        "[1 line of Python · ✗ attempt 2 failed: KeyError: '<b>' · 12 s]\nx"
    )
    assert "KeyError: &#x27;&lt;b&gt;&#x27;" in marked(part)


def test_attempts_that_failed_are_folded_above_the_one_that_worked():
    work = worked(story.final(story.turn())).data
    open_ = worked(story.final(story.turn()), unfolded=True).data["text/plain"]
    _, outer, inner = work["text/markdown"].split("<details>")
    assert "2 steps · 1 failed attempt" in outer
    assert "attempt 1 failed: KeyError" in inner
    assert "```\nKeyError: 'Month' is no column\n```\n\n</details>\n\n```python" in inner
    assert inner.endswith("2026-10  1.60   1.10\n```\n\n</details>")
    assert "[stdout]\nregion" in open_
    assert open_.endswith("2026-10  1.60   1.10")


@pytest.mark.parametrize("state", ["writing", "running"])
def test_code_that_was_left_open_is_called_interrupted(state):
    assert "■ stopped" in plain(Code("c", "x", state))


@pytest.mark.parametrize("code", hostile.CODE)
def test_hostile_code_cannot_leave_its_fold(code):
    written = marked(Code("c", code, "failed", error="E"))
    _, summary, rest = written.split("</summary>\n\n")
    assert "<" not in summary.removeprefix("<details>\n<summary>").replace("<span>&#36;</span>", "")
    opening, *body, closing, blank, end, blank_2, end_2 = rest.split("\n")
    assert (blank, end, blank_2, end_2) == ("", "</details>", "", "</details>")
    assert closing == opening.removesuffix("python")
    assert not any(line.lstrip().startswith(closing) for line in body)


def test_a_first_line_that_only_starts_an_interpreter_is_no_title():
    assert "[2 lines of Python" in plain(Code("c", "#!/usr/bin/python\nx\n", "done"))


def test_long_logs_keep_their_head_and_tail():
    text = "".join(f"line {i}\n" for i in range(1000))
    parts = (Code("c", "x", "done"), Logs("l", "c", text, True))
    written = worked(View(parts=parts)).data["text/markdown"]
    assert "```\nline 0\n" in written
    assert "… 930 lines left out (_assistant.logs holds all) …\n" in written
    assert written.endswith("line 999\n```\n\n</details>")


def test_a_picture_has_words_for_those_who_cannot_see_it():
    output = part_output(Image("i", "trend.png", story.png()))
    assert set(output.data) == {"image/png", "text/plain"}
    assert output.data["text/plain"].startswith("Picture trend.png, ")


def test_a_picture_that_no_front_end_draws_is_named():
    output = part_output(Image("i", "x.tiff", b"II*", "image/tiff"))
    assert set(output.data) == {"text/markdown", "text/plain"}
    assert "not drawn here" in output.data["text/plain"]


def test_what_is_blank_takes_no_output():
    assert part_output(Text("t", " \n")) is None
    assert part_output(Code("c", "\n", "done")) is None
    assert part_output(Code("c", "", "failed", error="SyntaxError")) is not None


def test_a_notice_is_set_apart():
    assert marked(Notice("n", "Code *runs* unisolated")) == "> **Note:** Code \\*runs\\* unisolated"


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_file_is_found_by_what_is_said_about_it(name):
    from aoai_magic.runner.turn import Turn

    view = View(files=(File("other.txt", b""), File(name, b"here")))
    said = bundles(view)[0].data["text/plain"].splitlines()[-1]
    way = said.split("): ")[-1]
    assert eval(way, {"_assistant": Turn(view)}).data == b"here"


def test_a_long_list_of_files_is_cut():
    view = View(files=tuple(File(f"{i}.csv", b"") for i in range(LISTED_FILES + 3)))
    assert bundles(view)[0].data["text/plain"].endswith("- and 3 more files")


@pytest.mark.parametrize(
    ("status", "said"),
    [("interrupted", "Stopped."), ("failed", "Failed."), ("incomplete", "Incomplete.")],
)
def test_the_last_line_says_how_a_turn_ended_and_not_why(status, said):
    view = story.final([*story.turn()[:-1], events.Finished(status, "The reason.", 2.0)])
    last = bundles(view)[-1].data
    assert last["text/plain"].startswith(said)
    assert "The reason." not in last["text/plain"]
    assert last["text/markdown"].startswith(f"**{said}")


def test_of_a_turn_that_ended_before_its_answer_nothing_stands_above():
    view = View(parts=(Code("c", "x", "failed", error="interrupted"),), status="interrupted")
    assert bundles(view, "quiet")[-1].data["text/plain"] == "Stopped."


def test_the_last_line_is_quiet_and_complete():
    assert bundles(story.final(story.turn()))[-1].data["text/plain"] == (
        "gpt-4o · code ran on this machine · 1,540 tokens"
    )


def test_the_last_line_lists_questions_that_the_model_offers():
    view = replace(story.final(story.turn()), questions=("Per <b>month</b>?", "Why | not?"))
    last = bundles(view)[-1].data
    assert (
        "You could ask next:\n\n- Per &lt;b&gt;month&lt;/b&gt;?\n- Why \\| not?"
        in (last["text/markdown"])
    )
    assert "You could ask next:\n- Per <b>month</b>?\n- Why | not?" in last["text/plain"]
    assert last[MEDIA_TYPE]["questions"] == ["Per <b>month</b>?", "Why | not?"]
    assert "You could ask" not in str([one.data for one in bundles(view, "quiet")])


def test_the_last_line_warns_of_code_without_isolation_and_times_an_answer_without_work():
    unsafe = replace(story.final(story.turn()), isolation="none")
    assert "machine · not isolated ·" in bundles(unsafe)[-1].data["text/plain"]
    prose = replace(unsafe, parts=(Text("a", "Hello.", done=True),), isolation="namespaces")
    assert bundles(prose)[-1].data["text/plain"] == "gpt-4o · local · 3.2 s · 1,540 tokens"


def test_every_turn_fits_the_schema_of_its_record():
    for view in story.views(story.turn()):
        jsonschema.validate(record(view), SCHEMA)
    odd = View("t\ud800", parts=tuple(Text(str(i), t) for i, t in enumerate(hostile.PROSE)))
    jsonschema.validate(record(odd), SCHEMA)
    json.dumps(record(odd)).encode()


def test_the_record_holds_the_turn_but_not_what_is_large():
    view = story.final(story.turn())
    saved = bundles(view)[-1].data[MEDIA_TYPE]
    assert [part["type"] for part in saved["parts"]] == [
        *("text", "code", "logs", "code", "logs", "image", "text")
    ]
    assert set(saved["files"][0]) == {"name", "id", "size", "sha256"}
    assert "data" not in saved["parts"][4]


def test_the_list_of_files_holds_those_that_are_small():
    files = (File("a.csv", b"a\n1\n"), File("x", bytes(INLINE_FILE_BYTES + 1)))
    listed = next(o.data[FILES_TYPE] for o in bundles(View(files=files)) if FILES_TYPE in o.data)
    jsonschema.validate(listed, FILES_SCHEMA)
    small, large = listed["files"]
    assert base64.b64decode(small["data"]) == b"a\n1\n"
    assert small["kind"] == "1 row × 1 column"
    assert large["data"] is None
    assert large["size"] == INLINE_FILE_BYTES + 1
    assert large["way"] == "_assistant.files['x']"


def test_a_headless_turn_is_shown_once_at_its_end(published):
    screen = open_screen("frozen")
    for view in story.views(story.turn()):
        screen.show(view)
    assert published == []
    screen.close(view)
    screen.close(view)
    assert [output["data"] for output in published] == [output.data for output in bundles(view)]
    assert not any(output["update"] for output in published)


def test_closing_shows_what_was_left_open(published):
    screen = open_screen("frozen")
    screen.close(story.final(story.turn()[:2]))
    assert published[0]["data"]["text/plain"] == "I will look at the **sales**"
    assert published[1]["data"]["text/plain"].startswith(
        "Cut off when the kernel ended. Partial answer above."
    )


def test_quiet_shows_the_answer_alone(published):
    screen = open_screen("frozen", detail="quiet")
    view = story.final([events.Notice("Not isolated."), *story.turn()])
    screen.show(view)
    screen.close(view)
    first = [" ".join(output["data"]["text/plain"].split()[:2]) for output in published]
    assert first == [
        "Note: Not",
        "Picture revenue.png,",
        "## North",
        "customer revenue",
        "- ▦",
    ]
    stopped = story.final([*story.turn()[:-1], events.Finished("interrupted", None, 2.0)])
    assert (
        bundles(stopped, "quiet")[-1]
        .data["text/plain"]
        .startswith("Stopped. Partial answer above.")
    )


def test_verbose_shows_the_same_with_every_fold_open(published):
    view = story.final([*story.thoughtful()[:4], *story.turn()])
    open_screen("frozen", detail="verbose").close(view)
    shown, folded = [one["data"] for one in published], [one.data for one in bundles(view)]
    assert [one for one in shown if one is not shown[-2]] == [*folded[:-2], folded[-1]]
    assert "[Reasoning" in shown[-2]["text/plain"]
    work = shown[-2]["text/markdown"]
    assert work.count("<details open>") == 3
    assert work.replace("<details open>", "<details>") == folded[-2]["text/markdown"]


def test_a_finished_turn_can_be_shown_again_without_a_notebook(capsys):
    show(story.final(story.turn()))
    assert "North grew fastest" in capsys.readouterr().out


def test_an_unknown_screen_is_refused():
    with pytest.raises(UsageError, match="choose auto, live"):
        open_screen("hologram")


def test_thoughts_are_folded_and_neutral():
    answered, thoughts, _ = bundles(story.final(story.thoughtful()))
    assert answered.data["text/plain"] == "North."
    assert thoughts.data["text/markdown"] == (
        "<details>\n<summary>Worked 3.2 s</summary>\n\n"
        "<details>\n<summary>Reasoning · 4.0 s</summary>\n\n"
        "**Looking** at the &lt;b&gt;months&lt;/b&gt;.\n\n</details>\n\n</details>"
    )
    unfolded = worked(story.final(story.thoughtful()), unfolded=True)
    assert "[Reasoning · 4.0 s]\n**Looking** at" in unfolded.data["text/plain"]
    assert part_output(Reasoning("r", " ")) is None


def test_the_last_line_says_what_a_turn_took():
    said = bundles(story.final(story.thoughtful()))[-1].data["text/plain"]
    assert "1,540 tokens (600 cached) · 5 min of a container · about $0.0123" in said
    counted = View(usage=events.Usage(1200, 340, estimated=True), cost=0.00001)
    said = bundles(counted)[-1].data["text/plain"]
    assert "about 1,540 tokens · less than $0.0001" in said


def test_a_turn_with_thoughts_and_cost_is_as_the_schema_says():
    saved = record(story.final(story.thoughtful()))
    jsonschema.validate(saved, SCHEMA)
    assert [part["type"] for part in saved["parts"]] == ["reasoning", "text"]
    assert saved["cost"] == 0.0123
