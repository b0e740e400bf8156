"""The code interpreter: pictures, files, sessions, and what the model is told of them."""

from __future__ import annotations

import io
import time

import pytest
from openai import NotFoundError

from aoai_magic.sandbox.protocol import Limits

from .test_runs import steps

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def last_message(client, run):
    return client.beta.threads.messages.list(run.thread_id).data[0]


def logs(step):
    (call,) = step.step_details.tool_calls
    return "".join(o.logs for o in call.code_interpreter.outputs if o.type == "logs")


def printed(delta):
    parts = [call.code_interpreter for call in delta.step_details.tool_calls]
    return "".join(output.logs for part in parts for output in part.outputs or ())


def upload(client, name, data):
    return client.files.create(file=(name, io.BytesIO(data)), purpose="assistants")


def test_picture_is_in_the_step_and_first_in_the_message(client, ask):
    run = ask({"code": PLOT}, {"text": "Here it is."})
    (call,) = steps(client, run)[0].step_details.tool_calls
    (shown,) = [o for o in call.code_interpreter.outputs if o.type == "image"]
    image, text = last_message(client, run).content
    assert image.image_file.file_id == shown.image.file_id
    assert shown.chart["tables"][0]["columns"]["y"] == [1, 2]
    assert text.text.value == "Here it is."
    assert client.files.content(shown.image.file_id).content.startswith(b"\x89PNG")
    file = client.files.retrieve(shown.image.file_id)
    assert (file.filename, file.purpose) == ("chart-1.png", "assistants_output")


def test_pictures_without_a_text_get_a_message(client, script):
    model = script([{"code": PLOT}, {"finish": "stop"}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Plot."}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
    (part,) = stream.get_final_messages()[-1].content
    assert part.type == "image_file"


def test_text_and_pictures_keep_their_order_and_streamed_equals_stored(client, script):
    code = f"print('before')\n{PLOT}\nprint('after')"
    model = script([{"code": code}, {"text": "Done."}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Plot."}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
    streamed = stream.get_final_run_steps()[0].step_details.tool_calls[0].code_interpreter.outputs
    stored = steps(client, stream.get_final_run())[0].step_details.tool_calls[0]
    kinds = [output.type for output in stored.code_interpreter.outputs]
    assert kinds == [output.type for output in streamed] == ["logs", "image", "logs"]


def test_made_file_is_attached_and_linked(client, ask):
    code = "open('/mnt/data/two words.csv', 'w').write('a\\n1\\n')"
    said = "資料 [here](sandbox:/mnt/data/two words.csv), again sandbox:/mnt/data/two words.csv"
    run = ask({"code": code}, {"text": said, "chunk": 3})
    message = last_message(client, run)
    text = message.content[0].text
    assert text.value == said
    for annotation in text.annotations:
        assert annotation.text == "sandbox:/mnt/data/two words.csv"
        assert said[annotation.start_index : annotation.end_index] == annotation.text
    (attachment,) = message.attachments
    assert [a.file_path.file_id for a in text.annotations] == 2 * [attachment.file_id]
    assert client.files.content(attachment.file_id).content == b"a\n1\n"
    assert client.files.retrieve(attachment.file_id).filename == "two words.csv"


def test_two_files_of_one_name_in_two_folders_are_two(client, ask):
    code = "import os\nos.makedirs('/mnt/data/out')\n"
    code += "for place in ('', 'out/'):\n    open(f'/mnt/data/{place}a.csv', 'w').write(place)"
    run = ask({"code": code}, {"text": "See sandbox:/mnt/data/out/a.csv."})
    message = last_message(client, run)
    files = [client.files.retrieve(attachment.file_id) for attachment in message.attachments]
    assert [file.filename for file in files] == ["a.csv", "out/a.csv"]
    assert [client.files.content(file.id).content for file in files] == [b"", b"out/"]
    (annotation,) = message.content[0].text.annotations
    assert annotation.file_path.file_id == files[1].id
    disposition = client.files.content(files[1].id).response.headers["content-disposition"]
    assert 'filename="a.csv"' in disposition


def test_files_that_wait_for_the_next_cell_are_named(client, ask):
    code = "for n in range(52):\n    open(f'/mnt/data/{n:02}.txt', 'w').write(str(n))"
    run = ask({"code": code}, {"code": "print('again')"}, {"text": "Done."})
    first, second, _ = steps(client, run)
    assert "2 more files wait for the next cell, the first is '50.txt'" in logs(first)
    assert logs(second) == "again\n"
    assert len(last_message(client, run).attachments) == 52


def test_streamed_annotations_are_not_doubled(client, script):
    model = script(
        [{"code": "open('x.txt', 'w').write('x')"}, {"text": "See sandbox:/mnt/data/x.txt."}]
    )
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Write."}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
    (message,) = stream.get_final_messages()
    stored = client.beta.threads.messages.list(thread.id).data[0]
    assert message.content[0].text.value == stored.content[0].text.value
    streamed = message.content[0].text.annotations[0].to_dict()
    assert streamed == stored.content[0].text.annotations[0].to_dict()


def test_changed_file_gets_a_new_id_and_untouched_one_is_not_reported(client, ask):
    write = "open('/mnt/data/n.txt', 'w').write({!r})"
    first = ask({"code": write.format("one")}, {"text": "One."})
    thread = client.beta.threads.retrieve(first.thread_id)
    (old,) = last_message(client, first).attachments
    client.beta.threads.messages.create(thread.id, role="user", content="Look.")
    look = ask({"code": "print(open('/mnt/data/n.txt').read())"}, {"text": "."}, thread=thread)
    assert last_message(client, look).attachments == []
    client.beta.threads.messages.create(thread.id, role="user", content="Change.")
    change = ask({"code": write.format("two")}, {"text": "."}, thread=thread)
    (new,) = last_message(client, change).attachments
    assert new.file_id != old.file_id
    assert client.files.content(old.file_id).content == b"one"
    assert client.files.content(new.file_id).content == b"two"


def test_file_written_once_more_with_the_same_content_is_reported_under_its_id(client, ask):
    code = {"code": "open('/mnt/data/n.txt', 'w').write('one')"}
    first = ask(code, {"text": "One."})
    thread = client.beta.threads.retrieve(first.thread_id)
    client.beta.threads.messages.create(thread.id, role="user", content="Again.")
    again = ask(code, {"text": "See sandbox:/mnt/data/n.txt."}, thread=thread)
    attachments = last_message(client, again).attachments
    assert attachments == last_message(client, first).attachments
    (annotation,) = last_message(client, again).content[0].text.annotations
    assert annotation.file_path.file_id == attachments[0].file_id


def test_files_of_assistant_thread_and_message_are_all_there(client, script):
    ids = {name: upload(client, "data.csv", name.encode()).id for name in ("a", "t", "m")}
    code = "import pathlib\nfor p in sorted(pathlib.Path('/mnt/data').iterdir()):\n"
    code += "    print(p.name, p.read_text())"
    resources = {key: {"code_interpreter": {"file_ids": [ids[key]]}} for key in "at"}
    assistant = client.beta.assistants.create(
        model=script([{"code": code}, {"text": "."}]),
        tools=[{"type": "code_interpreter"}],
        tool_resources=resources["a"],
    )
    thread = client.beta.threads.create(tool_resources=resources["t"])
    attachment = {"file_id": ids["m"], "tools": [{"type": "code_interpreter"}]}
    client.beta.threads.messages.create(
        thread.id, role="user", content="List.", attachments=[attachment]
    )
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
    )
    assert logs(steps(client, run)[0]) == "data-2.csv t\ndata-3.csv m\ndata.csv a\n"
    assert last_message(client, run).attachments == []
    held = client.beta.threads.retrieve(thread.id).tool_resources.code_interpreter.file_ids
    assert held == [ids["t"], ids["m"]]


def test_later_message_replaces_its_earlier_file(client, ask):
    thread = client.beta.threads.create()
    for content in (b"old", b"new"):
        attachment = {"file_id": upload(client, "data.txt", content).id}
        attachment["tools"] = [{"type": "code_interpreter"}]
        client.beta.threads.messages.create(
            thread.id, role="user", content="Look.", attachments=[attachment]
        )
        run = ask(
            {"code": "print(open('/mnt/data/data.txt').read())"}, {"text": "."}, thread=thread
        )
        assert logs(steps(client, run)[0]) == f"{content.decode()}\n"


def test_session_keeps_its_variables_and_two_threads_have_two(client, ask):
    first = ask({"code": "x = 41"}, {"text": "."})
    thread = client.beta.threads.retrieve(first.thread_id)
    client.beta.threads.messages.create(thread.id, role="user", content="On.")
    second = ask({"code": "print(x + 1)"}, {"text": "."}, thread=thread)
    other = ask({"code": "print(x)"}, {"text": "."})
    assert logs(steps(client, second)[0]) == "42\n"
    assert "NameError" in logs(steps(client, other)[0])
    sessions = [steps(client, run)[0].to_dict()["metadata"]["session"] for run in (first, second)]
    assert sessions == ["new", "live"]


def test_restored_session_has_the_files_and_says_what_is_lost(start_engine, script):
    engine = start_engine(limits=Limits(idle_seconds=0.2))
    client = engine.openai()
    model = script(
        [{"code": "x = 1\nopen('/mnt/data/kept.txt', 'w').write('kept')"}, {"text": "."}],
        [{"code": "print(open('/mnt/data/kept.txt').read())\nprint(x)"}, {"text": "."}],
    )
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create()
    for _ in range(2):
        client.beta.threads.messages.create(thread.id, role="user", content="Go on.")
        run = client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
        time.sleep(0.5)
    step = steps(client, run)[0]
    assert step.to_dict()["metadata"]["session"] == "restored"
    assert logs(step).startswith("kept\n")
    assert "NameError" in logs(step)


def test_process_that_dies_is_reported_and_files_stay(client, ask):
    run = ask(
        {"code": "open('/mnt/data/a.txt', 'w').write('a')\nimport os\nos._exit(1)"},
        {"code": "print(open('/mnt/data/a.txt').read())"},
        {"text": "."},
    )
    died, after, _ = steps(client, run)
    assert died.to_dict()["metadata"]["outcome"] == "ended"
    assert logs(died) != ""
    assert logs(after) == "a\n"
    assert after.to_dict()["metadata"]["session"] == "restored"


def test_cancel_stops_running_code(client, script):
    model = script([{"text": "Wait.", "code": "print('on', flush=True)\nwhile True: pass"}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Go."}])
    events = []
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        for event in stream:
            events.append(event.event)
            if event.event == "thread.run.step.delta" and printed(event.data.delta) == "on\n":
                run = client.beta.threads.runs.cancel(stream.current_run.id, thread_id=thread.id)
                assert run.status == "cancelling"
    assert events[-3:] == [
        "thread.run.cancelling",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    (_, step) = steps(client, run)
    assert (step.status, logs(step)) == ("cancelled", "on\n")
    assert step.to_dict()["metadata"]["outcome"] == "interrupted"


def test_engine_describes_itself(engine, client, ask):
    run = ask({"code": "1"}, {"text": "."})
    about = client.get("/engine", cast_to=object)
    assert about["model"] == "scripted:silent.yaml"
    assert about["sandbox"]["level"]
    (session,) = [s for s in about["sessions"] if s["thread_id"] == run.thread_id]
    assert session["alive"] is True


def test_sessions_tell_their_memory_and_life_and_can_be_ended(client, ask):
    run = ask({"code": "x = b'x' * 50_000_000"}, {"text": "."})
    listed = client.get("/engine/sessions", cast_to=object)["data"]
    (session,) = [s for s in listed if s["thread_id"] == run.thread_id]
    assert 50_000_000 < session["memory_bytes"] < 500_000_000
    assert 1700 < session["expires_at"] - session["last_used_at"] <= 1801
    assert session["busy"] is False
    path = f"/engine/sessions/{run.thread_id}"
    assert client.delete(path, cast_to=object)["ended"] is True
    with pytest.raises(NotFoundError, match="No session found"):
        client.delete(path, cast_to=object)


def test_the_newest_threads_are_listed_with_their_first_words(client):
    message = {"role": "user", "content": "Why?\n" + "long " * 40}
    named = client.beta.threads.create(messages=[message])
    empty = client.beta.threads.create()
    first, second, *_ = client.get("/engine/threads", cast_to=object)["data"]
    assert (first["id"], first["title"]) == (empty.id, "")
    assert (second["id"], second["title"]) == (named.id, ("Why? " + "long " * 40)[:80])


def test_limit_that_struck_is_the_outcome(start_engine, script):
    client = start_engine(limits=Limits(cell_seconds=0.5)).openai()
    model = script([{"code": "while True: pass"}, {"text": "Too slow."}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    run = client.beta.threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Loop."}]},
        poll_interval_ms=20,
    )
    step = steps(client, run)[0]
    assert step.to_dict()["metadata"]["outcome"] == "limit"
    assert logs(step).startswith(step.to_dict()["metadata"]["error"])


def test_picture_made_before_a_client_is_asked_is_shown_after(client, ask):
    tool = {"type": "function", "function": {"name": "python"}}
    calls = [{"code": PLOT}, {"tool": {"name": "client_python", "arguments": {}}}]
    run = ask({"calls": calls}, {"text": "Here."}, tools=[tool, {"type": "code_interpreter"}])
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    assert call.function.name == "python"
    client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id,
        thread_id=run.thread_id,
        tool_outputs=[{"tool_call_id": call.id, "output": "ok"}],
        poll_interval_ms=20,
    )
    assert [part.type for part in last_message(client, run).content] == ["image_file", "text"]


def test_file_is_found_by_its_id_too_and_listed_once(client, ask):
    file = upload(client, "data.csv", b"a,b")
    thread = client.beta.threads.create(
        tool_resources={"code_interpreter": {"file_ids": [file.id]}},
        messages=[{"role": "user", "content": "Look."}],
    )
    path = f"/mnt/data/{file.id}"
    code = f"print(open({path!r}).read(), open('/mnt/data/data.csv').read())"
    run = ask({"code": code}, {"text": f"See sandbox:{path}."}, thread=thread)
    assert logs(steps(client, run)[0]) == "a,b a,b\n"
    message = last_message(client, run)
    assert message.attachments == []
    (annotation,) = message.content[0].text.annotations
    assert (annotation.text, annotation.file_path.file_id) == (f"sandbox:{path}", file.id)
