"""What is attached to a message is what the code of that turn sees, whatever came before."""

from __future__ import annotations

import io
import shutil

import pandas as pd
import pytest

from aoai_magic import frame_codec

from .test_code import logs, upload
from .test_runs import steps

CODE = [{"type": "code_interpreter"}]


@pytest.fixture
def packed(client, tmp_path):
    """Upload a frame of one column as the variable of a name."""

    def packed(name, *values):
        path = frame_codec.pack(pd.DataFrame({"a": list(values)}), name, tmp_path)
        return upload(client, path.name, path.read_bytes())

    return packed


@pytest.fixture
def turn(client, ask):
    """Run codes, a cell each, in one turn of a thread; gives what each printed."""
    thread = client.beta.threads.create()

    def turn(*codes, files=()):
        message = {
            "role": "user",
            "content": "Go on.",
            "attachments": [{"file_id": file.id, "tools": CODE} for file in files],
        }
        replies = [*({"code": code} for code in codes), {"text": "."}]
        run = ask(*replies, thread=thread, additional_messages=[message])
        assert run.status == "completed", run.last_error
        return [logs(step).strip() for step in steps(client, run)[: len(codes)]]

    return turn


SEE = "print(df.a.tolist())"
READ = "print(open('/mnt/data/x.csv').read())"


def test_the_first_frame_again_after_another_one(turn, packed):
    first, second = packed("df", 1, 2), packed("df", 9)
    seen = [turn(SEE, files=[file]) for file in (first, second, first)]
    assert seen == [["[1, 2]"], ["[9]"], ["[1, 2]"]]


def test_the_first_file_again_after_another_one(client, turn):
    files = [upload(client, "x.csv", data) for data in (b"one", b"two")]
    assert [turn(READ, files=[files[n]]) for n in (0, 1, 0)] == [["one"], ["two"], ["one"]]


@pytest.mark.parametrize("change", ["df = df.head(1)", "df['a'] += 1", "df = len", "del df"])
def test_what_is_attached_again_is_what_code_sees(turn, packed, change):
    file = packed("df", 1, 2)
    assert turn(change, f"{SEE if 'a' in change else 'df'}", files=[file])
    assert turn(SEE, "df = df.tail(1)", SEE, files=[file]) == ["[1, 2]", "", "[2]"]


@pytest.mark.parametrize(
    "change", ["open('x.csv', 'w').write('own')", "import os; os.remove('x.csv')"]
)
def test_a_file_that_code_changed_is_put_as_it_is_attached(client, turn, change):
    file = upload(client, "x.csv", b"given")
    turn(change, files=[file])
    assert turn(READ, change.replace("own", "mine") + ";", files=[file])[0] == "given"


def test_a_turn_without_attachments_leaves_variables_and_files_alone(client, turn, packed):
    files = [packed("df", 1, 2), upload(client, "x.csv", b"given")]
    turn("df = df.tail(1)\nopen('x.csv', 'w').write('own');", files=files)
    assert turn(SEE, READ) == ["[2]", "own"]


def test_what_no_code_has_seen_yet_is_put_in_the_next_turn(turn, packed):
    first, second = packed("df", 1, 2), packed("df", 9)
    turn("df = None", files=[first])
    turn(files=[first])
    assert turn(SEE) == ["[1, 2]"]
    turn(files=[second])
    assert turn(SEE) == ["[9]"]


def test_two_files_of_one_name_stay_two_and_the_later_one_comes_back(client, turn):
    one, two = (upload(client, "x.csv", data) for data in (b"one", b"two"))
    both = "for name in ('x.csv', 'x-2.csv'): print(open(name).read())"
    assert turn(both, files=[one, two]) == ["one\ntwo"]
    assert turn(READ, files=[two]) == ["two"]
    assert turn(both, files=[one, two]) == ["one\ntwo"]


def test_a_client_that_answers_a_function_goes_on_with_what_code_made(client, script, packed):
    file = packed("df", 1, 2)
    name = {"type": "function", "function": {"name": "ask", "parameters": {"type": "object"}}}
    replies = [
        {"code": "df = df.tail(1)"},
        {"tool": {"name": "ask", "arguments": {}}},
        {"code": SEE},
        {"text": "."},
    ]
    assistant = client.beta.assistants.create(
        model=script({"when": "", "replies": replies}), tools=[*CODE, name]
    )
    attached = [{"file_id": file.id, "tools": CODE}]
    message = {"role": "user", "content": "Go on.", "attachments": attached}
    thread = client.beta.threads.create(messages=[message])
    runs = client.beta.threads.runs
    run = runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    (call,) = run.required_action.submit_tool_outputs.tool_calls
    run = runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=[{"tool_call_id": call.id, "output": "x"}]
    )
    details = [step.step_details for step in steps(client, run)]
    calls = [one for one in details if one.type == "tool_calls"]
    assert [one.tool_calls[0].type for one in calls] == [
        "code_interpreter",
        "function",
        "code_interpreter",
    ]
    (output,) = calls[-1].tool_calls[0].code_interpreter.outputs
    assert output.logs == "[2]\n"


DELETE = "import shutil; shutil.rmtree('/mnt/data/d')"


@pytest.mark.parametrize("after", ["", "; open('/mnt/data/d', 'w').write('file')"])
def test_code_deletes_the_folder_of_its_files(client, turn, after):
    file = upload(client, "x.csv", b"given")
    turn("import os; os.mkdir('d'); open('d/made.txt', 'w').write('x');", files=[file])
    turn(f"{DELETE}{after};")
    assert turn("import os; print(sorted(os.listdir()))", READ) == [
        "['d', 'x.csv']" if after else "['x.csv']",
        "given",
    ]


def test_code_moves_a_given_file_into_a_folder_and_deletes_that(client, turn):
    file = upload(client, "x.csv", b"given")
    move = "import os, shutil; os.mkdir('d'); shutil.move('x.csv', 'd/x.csv'); shutil.rmtree('d')"
    assert turn(move, READ, files=[file]) == ["", "given"]
    assert turn("os.remove('x.csv'); os.mkdir('x.csv')", READ) == ["", "given"]


def test_what_code_made_and_deleted_stays_deleted(turn):
    turn("open('made.txt', 'w').write('x');")
    turn("import os; os.remove('made.txt')")
    assert turn("print(os.listdir())") == ["[]"]


def test_files_that_code_made_come_back_with_their_folders(engine, client, turn):
    turn("import os; os.makedirs('d/e'); open('d/e/made.txt', 'w').write('x');")
    for session in (engine.data_dir / "sandbox").glob("*/data/d"):
        shutil.rmtree(session)
    assert turn("print(open('d/e/made.txt').read())") == ["x"]


def test_containers_give_a_name_to_the_file_that_is_attached_now(client, script):
    one, two = (
        client.files.create(file=("x.csv", io.BytesIO(data)), purpose="user_data")
        for data in (b"one", b"two")
    )
    code = "import os\nfor name in sorted(os.listdir()): print(name, open(name).read())"
    previous, seen = None, []
    for files in ([one], [two], [one], [one, two]):
        content = [{"type": "input_file", "file_id": file.id} for file in files]
        response = client.responses.create(
            model=script({"when": "", "replies": [{"code": code}, {"text": "."}]}),
            input=[{"role": "user", "content": [*content, {"type": "input_text", "text": "Go."}]}],
            tools=[{"type": "code_interpreter", "container": {"type": "auto"}}],
            include=["code_interpreter_call.outputs"],
            previous_response_id=previous,
        )
        previous = response.id
        (call,) = [item for item in response.output if item.type == "code_interpreter_call"]
        # As a dict, since the first SDKs with Responses have no class for it.
        seen.append("".join(output["logs"] for output in call.to_dict()["outputs"]))
    assert seen == ["x.csv one\n", "x.csv two\n", "x.csv one\n", "x-2.csv two\nx.csv one\n"]


def test_code_that_is_not_isolated_deletes_the_whole_folder(start_engine, script):
    client = start_engine(sandbox="local:unisolated").openai()
    file = upload(client, "x.csv", b"given")
    codes = [
        "import shutil; shutil.rmtree('/mnt/data')",
        f"{READ}; open('made.txt', 'w').write('x');",
        "import os, shutil; print(sorted(os.listdir('/mnt/data'))); shutil.rmtree('/mnt/data')\n"
        "open('/mnt/data', 'w').write('a file');",
        READ,
    ]
    attached = [{"file_id": file.id, "tools": CODE}]
    message = {"role": "user", "content": "Go on.", "attachments": attached}
    thread = client.beta.threads.create(messages=[message])
    replies = [*({"code": code} for code in codes), {"text": "."}]
    made = client.beta.assistants.create(model=script({"when": "", "replies": replies}), tools=CODE)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=made.id)
    assert run.status == "completed", run.last_error
    printed = [logs(step) for step in steps(client, run)[:4]]
    assert printed == ["", "given\n", "['made.txt', 'x.csv']\n", "given\n"]
