"""The fold: every event has its effect, and the end closes what is open."""

from aoai_magic.turn import events, view
from aoai_magic.turn.view import View, fold


def folded(*happened):
    result = View()
    for event in happened:
        result = fold(result, event)
    return result


def test_text_grows_and_is_replaced_by_what_was_meant():
    result = folded(
        events.TextDelta("a", "The [file](sandbox"),
        events.TextDelta("a", ":/mnt/data/x.csv)"),
        events.TextDone("a", "The file."),
    )
    assert result.parts == (view.Text("a", "The file.", done=True),)
    assert result.text == "The file."


def test_parts_stand_in_the_order_in_which_they_began():
    result = folded(
        events.TextDelta("t", "I look."),
        events.CodeDelta("c", "print(1)"),
        events.CodeRunning("c"),
        events.LogsDelta("c", "1\n"),
        events.ImageMade("i", "chart.png", b"png"),
        events.CodeDone("c", seconds=0.5),
        events.TextDelta("u", "Done."),
    )
    kinds = [type(part).__name__ for part in result.parts]
    assert kinds == ["Text", "Code", "Logs", "Image", "Text"]
    code, logs = result.parts[1], result.parts[2]
    assert (code.state, code.seconds, logs.text, logs.done) == ("done", 0.5, "1\n", True)


def test_attempts_are_counted_until_one_succeeds():
    tries = [
        event
        for part, error in (("a", "KeyError"), ("b", "KeyError"), ("c", None), ("d", None))
        for event in (events.CodeDelta(part, "x"), events.CodeDone(part, error))
    ]
    result = folded(*tries)
    assert [part.attempt for part in result.parts] == [1, 2, 3, 1]
    assert [part.state for part in result.parts] == ["failed", "failed", "done", "done"]


def test_the_newest_file_of_a_name_counts():
    result = folded(events.FileMade("x.csv", b"1"), events.FileMade("x.csv", b"2"))
    assert [file.data for file in result.files] == [b"2"]


def test_the_end_closes_open_parts_and_keeps_them():
    result = folded(
        events.TextDelta("t", "half a sen"),
        events.CodeDelta("c", "while True: pass"),
        events.Finished("interrupted", "stopped", seconds=2.0),
    )
    assert all(part.done for part in result.parts)
    assert (result.status, result.error, result.seconds) == ("interrupted", "stopped", 2.0)
    assert result.text == "half a sen"


def test_secrets_of_size_stay_out_of_reprs():
    result = folded(events.ImageMade("i", "chart.png", b"x" * 10_000))
    assert len(repr(result)) < 1_000


def test_what_is_told_at_the_end_replaces_what_came_in_pieces():
    begun = [events.CodeDelta("c", "print("), events.CodeRunning("c"), events.LogsDelta("c", "4")]
    ended = events.CodeDone("c", None, None, "print(42)", "42")
    for happened in ([*begun, ended], [ended]):
        code, logs = folded(*happened).parts
        assert (code.code, code.state, logs.text, logs.done) == ("print(42)", "done", "42", True)
    assert len(folded(events.CodeDone("c", code="x", logs="")).parts) == 1
