"""The live view, through the messages that it sends."""

from __future__ import annotations

import ipywidgets
import pytest

from aoai_magic.display import open_screen
from aoai_magic.display.live import growing_text
from aoai_magic.display.live.status_bar import StatusBar
from aoai_magic.display.saved import bundles
from aoai_magic.display.screen import Pace
from aoai_magic.turn import events
from aoai_magic.turn.view import View

from . import story

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """Draw at every call, so that a test decides what is drawn."""
    monkeypatch.setattr(Pace, "due", lambda self: True)


def run(happened, **options):
    screen = open_screen("live", **options)
    for view in story.views(happened):
        screen.show(view)
    screen.close(view)
    return view


def outputs(published):
    """What the cell's outputs hold in the end, in their order."""
    final = {}
    for message in published:
        name = message["transient"].get("display_id") if message["transient"] else None
        assert not message["update"] or name in final
        final[name] = message["data"]
    return list(final.values())


def test_in_the_end_the_outputs_are_those_of_a_headless_run(published, capsys):
    view = run(story.turn())
    assert outputs(published) == [output.data for output in bundles.bundles(view)]
    assert capsys.readouterr().out == ""


def test_every_output_has_an_id_and_metadata_that_never_changes(published):
    run(story.turn())
    assert len(published) > 6
    # VS Code: an update with other metadata than at first reverts the cell's other outputs.
    first = {}
    for message in published:
        name = message["transient"]["display_id"]
        assert message["metadata"] == first.setdefault(name, message["metadata"])
    assert all(message["transient"]["display_id"] for message in published)


def test_an_open_output_can_be_read_where_widgets_cannot(published):
    run(story.turn())
    views = [message["data"] for message in published if WIDGET in message["data"]]
    assert views
    for data in views:
        assert "was not finished" in data["text/plain"]
        assert "was not finished" in data["text/markdown"]


def test_a_turn_that_is_over_at_once_needs_no_widget(published):
    view = story.final(story.turn())
    open_screen("live").close(view)
    assert not any(WIDGET in message["data"] for message in published)
    assert not any(message["update"] for message in published)


@pytest.mark.parametrize("count", range(1, len(story.turn())))
def test_whenever_it_breaks_off_nothing_stays_open(published, count):
    screen = open_screen("live")
    for view in story.views(story.turn()[:count]):
        screen.show(view)
    screen.close(view)
    screen.close(view)
    screen.show(view)
    kept = outputs(published)
    assert not any(WIDGET in data for data in kept)
    assert kept[-1]["text/plain"].startswith("Cut off when the kernel ended.")
    assert kept == [output.data for output in bundles.bundles(view)]


def test_an_error_while_closing_leaves_no_widget_behind(published, monkeypatch):
    screen = open_screen("live")
    screen.show(story.final(story.turn()[:2]))

    def broken(view, **_):
        raise OSError("disk full")

    monkeypatch.setattr(bundles, "footer", broken)
    with pytest.raises(OSError, match="disk full"):
        screen.close(story.final(story.turn()[:2]))
    assert not any(WIDGET in data for data in outputs(published))


def test_the_stop_button_stays_above_what_grows(published):
    screen = open_screen("live", on_stop=lambda: None)
    happened = [events.TextDelta("t", "open"), events.CodeDelta("c", "x = 1")]
    for view in story.views([*happened, events.LogsDelta("c", "1\n" * 100)]):
        screen.show(view)
    box = screen._work._box
    assert box.children[0] is screen._status_bar.box
    assert shown(screen).count("1\n") < 10
    screen.close(view)
    assert [data["text/plain"].split("\n")[0] for data in outputs(published)] == [
        "open",
        "Worked <0.1 s · 1 step (_assistant.code, .logs)",
        "Cut off when the kernel ended. Partial answer above.",
    ]


def test_stop_calls_back_once_and_says_so(published):
    calls = []
    status_bar = StatusBar(lambda: calls.append(True))
    button = status_bar.box.children[-1]
    assert button.description == "Stop"
    button.click()
    assert calls == [True]
    assert button.disabled
    assert button.description == "Stopping…"
    status_bar.close()


def test_without_a_way_to_stop_there_is_no_button(published):
    status_bar = StatusBar(None)
    assert [type(child).__name__ for child in status_bar.box.children] == ["HTML", "HTML", "HTML"]
    status_bar.close()


@pytest.mark.parametrize(
    ("happened", "said"),
    [
        ([], "Starting"),
        ([events.Started("t", "local", "gpt-4o")], "Waiting for gpt-4o"),
        ([events.Progress("Sending sales", 45, 100)], "Sending sales: 45%"),
        ([events.Progress("Reading", 12_000)], "Reading: 12,000"),
        ([events.TextDelta("t", "x")], "Answering"),
        ([events.CodeDelta("c", "x")], "Writing code"),
        ([events.CodeDelta("c", "x"), events.CodeRunning("c")], "Running the code"),
        ([events.CodeRunning("c"), events.LogsDelta("c", "x\n")], "Running the code"),
    ],
)
def test_the_strip_says_what_goes_on(published, happened, said):
    status_bar = StatusBar(None)
    status_bar.draw(story.final(happened))
    assert said in status_bar.box.children[1].value
    status_bar.close()


def test_citations_are_numbers_also_while_the_answer_is_written(published):
    answer = growing_text.growing_prose()
    text = "A【4:0†a.pdf】.\n\nB【4:1†b.pdf】, A again【4:2†a.pdf】.\n\nAnd"
    for start in range(0, len(text), 7):
        answer.feed(text[start : start + 7])
    shown = "".join(widget.value for widget in texts(answer))
    assert "A¹." in shown
    assert "B², A again¹." in shown


def texts(answer):
    return [widget for widget in answer.all if isinstance(widget, ipywidgets.HTML)]


def test_what_is_finished_is_sent_once_and_widgets_stay_small(published):
    text = "".join(f"Paragraph {i} has some words in it.\n\n" for i in range(4_000))
    answer = growing_text.growing_prose()
    sent = 0
    before = {}
    for start in range(0, len(text), 400):
        answer.feed(text[start : start + 400])
        for widget in texts(answer):
            if before.get(widget.model_id) != widget.value:
                before[widget.model_id] = widget.value
                sent += len(widget.value)
    assert all(len(widget.value) < 2 * growing_text.CLOSED_CHARS for widget in texts(answer))
    assert len(answer.widgets) < len(texts(answer)) / 2
    # All of the text at every step would be a hundred times as much.
    assert sent < 5 * len(text)


def test_a_turn_leaves_no_widget_in_memory(published):
    before = set(ipywidgets.Widget.get_manager_state()["state"])
    run(story.turn(), on_stop=lambda: None)
    assert set(ipywidgets.Widget.get_manager_state()["state"]) == before


def test_a_view_of_nothing_leaves_only_the_last_line(published):
    open_screen("live").close(View(status="completed", model="m"))
    assert [data["text/plain"] for data in outputs(published)] == ["m"]


def shown(screen):
    """What the open outputs say right now."""
    places = [screen._work, *screen._answer.values()]
    boxes = [place._box for place in places if hasattr(place, "_box")]
    found = [widget for box in boxes for widget in box.children]
    return "".join(getattr(widget, "value", "") for widget in found)


def test_thoughts_are_seen_while_they_come_and_are_folded_then(published):
    seen = []
    screen = open_screen("live")
    for view in story.views(story.thoughtful()):
        screen.show(view)
        seen.append(shown(screen))
    screen.close(view)
    assert any("Reasoning" in said for said in seen)
    assert outputs(published) == [o.data for o in bundles.bundles(view)]


def test_quiet_shows_only_what_goes_on_and_the_answer(published):
    view = run(story.turn(), detail="quiet")
    assert outputs(published) == [output.data for output in bundles.bundles(view, "quiet")]
    screen = open_screen("live", on_stop=lambda: None, detail="quiet")
    screen.show(story.final(story.turn()[:6]))
    assert "groupby" not in shown(screen)
    assert screen._work._box.children == (screen._status_bar.box,)
    screen.close(view)


def test_verbose_opens_the_folds_of_what_is_done(published):
    screen = open_screen("live", detail="verbose")
    for view in story.views(story.turn()[:-1]):
        screen.show(view)
    assert shown(screen).count("<details open>") == 2
    screen.close(view)
    assert outputs(published) == [output.data for output in bundles.bundles(view, "verbose")]


def test_what_code_prints_is_seen_while_it_runs_and_folded_when_it_has_worked(published, capsys):
    screen = open_screen("live")
    happened = [events.CodeDelta("c", "x"), events.CodeRunning("c")]
    screen.show(story.final([*happened, events.LogsDelta("c", "<b>one\ntw")]))
    assert "&lt;b&gt;one" in shown(screen)
    happened += [events.LogsDelta("c", "<b>one\ntwo"), events.CodeDone("c")]
    happened += [events.TextDelta("t", "Two.")]
    for view in story.views(happened):
        screen.show(view)
    assert "<details>" in shown(screen)
    screen.close(view)
    answered, work, _ = outputs(published)
    assert answered["text/plain"] == "Two."
    assert "<b>one\ntwo" in work["text/markdown"]
    assert capsys.readouterr().out == ""


def test_a_new_attempt_takes_the_place_of_the_one_that_failed(published):
    screen = open_screen("live")
    happened = [
        events.CodeDelta("c1", "first"),
        events.LogsDelta("c1", "Traceback\n"),
        events.CodeDone("c1", "KeyError: 'x'"),
    ]
    screen.show(story.final(happened))
    assert "first" in shown(screen)
    assert "Traceback" in shown(screen)
    happened += [events.ReasoningDelta("r", "A typo."), events.CodeDelta("c2", "second")]
    for view in story.views(happened):
        screen.show(view)
    said = shown(screen)
    assert said.index("attempt 1 failed") < said.index("A typo.") < said.index("second")
    screen.close(story.final([*happened, events.CodeDone("c2"), events.Finished("completed")]))
    assert len(outputs(published)) == 2


def test_a_picture_is_shown_while_its_code_still_runs(published):
    happened = [
        events.CodeDelta("c", "x"),
        events.LogsDelta("c", "before\n"),
        events.ImageMade("i", "a.png", story.png()),
        events.LogsDelta("c", "after\n"),
    ]
    screen = open_screen("live")
    for view in story.views(happened):
        screen.show(view)
    assert "image/png" in outputs(published)[-1]
    assert "after" in shown(screen)
    for view in story.views([*happened, events.CodeDone("c", "ValueError")]):
        screen.show(view)
    screen.close(view)
    picture, work, _ = outputs(published)
    assert "image/png" in picture
    assert "before\nafter" in work["text/markdown"]
