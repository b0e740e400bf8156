"""What small models do: they write calls by hand, state results unseen, cite numbers as files."""

from __future__ import annotations

import json

import pytest

from aoai_magic.engine.models.base import (
    FAILED,
    HOW_TO_CALL,
    Finish,
    Reasoning,
    ReasoningItems,
    Usage,
)
from aoai_magic.engine.models.remote import open_azure, open_openai
from aoai_magic.engine.models.remote.fenced_code import INSTRUCTIONS, NO_CODE

from .chat_server import KEY, call, calls, fault, say, stream, take, text
from .services import Services

CODE = 'total = sales["revenue"].sum()\nprint(total)'
DATA = {
    "role": "user",
    "content": [
        {"type": "text", "text": "Which region sold most?"},
        {"type": "text", "text": "`sales`: 4 rows. First rows: North | 10.25, South | 1,200"},
    ],
}


def how_to(question, *data):
    return {"role": "user", "content": [{"type": "text", "text": t} for t in (question, *data)]}


def thoughts(chunks):
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Reasoning))


# Calls written as text

AS_JSON = json.dumps({"name": "python", "arguments": {"code": CODE}})
WRITTEN = {
    "in a fence": f"```json\n{json.dumps(json.loads(AS_JSON), indent=2)}\n```",
    "in a fence, after words": f"Let me compute that:\n\n```json\n{AS_JSON}\n```",
    "in a fence, with a guess": f"```json\n{AS_JSON}\n```\n\nThe total is 1234.",
    "in the middle": f"I will run: {AS_JSON}",
    "triple quotes": '{"name": "python", "arguments": {"code": """' + CODE + '"""}}',
    "single triple quotes": "{'name': 'python', 'arguments': {'code': '''" + CODE + "'''}}",
    "Python's dict": repr(json.loads(AS_JSON)),
    "quotes not escaped": '{"name": "python", "arguments": {"code": "' + CODE + '"}}',
    "one brace too few": AS_JSON[:-1],
    "one brace too many": AS_JSON + "}",
    "a tag": f"<tool_call>\n{AS_JSON}\n</tool_call>",
    "a tag and triple quotes": '<tool_call>\n{"name": "python", "arguments": {"code": """'
    + CODE
    + '"""}}\n</tool_call>',
    "a fence inside": '<tool_call>{"name": "python", "arguments": {"code": ```python\n'
    + CODE
    + "```}}</tool_call>",
    "another tag": f"<function_call>{AS_JSON}</function_call>",
}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("name", WRITTEN)
async def test_a_call_that_is_nearly_one_is_made(server, name, size):
    written = WRITTEN[name]
    pieces = [written[i : i + size] for i in range(0, len(written), size)]
    server.answer = lambda body: stream(*map(say, pieces))
    chunks = await take(open_openai("m"))
    ((tool, arguments),) = calls(chunks)
    assert (tool, arguments["code"].strip()) == ("python", CODE)
    assert "python" not in text(chunks)
    assert chunks[-1] == Finish("tool_calls")
    assert ("1234" in thoughts(chunks)) == ("guess" in name)
    assert "1234" not in text(chunks)


@pytest.mark.parametrize(
    "answer",
    [
        'Settings:\n```json\n{"name": "sales", "rows": 4}\n```\nThat is all.',
        '```json\n{"region": "North", "code": "N"}\n```',
        'Use {"name": "x"} here.',
        "```json\n[1, 2, 3]\n```\nThree numbers.",
        '{"name": "python", "arguments": {"code": "print(1',
        "Write print('python') or call python.",
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
async def test_what_is_no_call_stays_text_to_the_last_character(server, answer, size):
    pieces = [answer[i : i + size] for i in range(0, len(answer), size)]
    server.answer = lambda body: stream(*map(say, pieces))
    chunks = await take(open_openai("m"))
    assert (text(chunks), calls(chunks)) == (answer, [])


# Code in answers

BLOCKS = "First load it:\n```python\nx = 1\n```\nThen print:\n```python\nprint(x)\n```\nIt is 1."
HOW_TO = [
    "How do I read a CSV?",
    "how can I group by two columns in pandas",
    "What is the syntax of merge?",
    "Show me how to plot this",
    "Give me an example of a pivot table",
    "CSVの読み込み方を教えて",
    "pandas の使い方は？",
    "如何讀取 CSV？",
    "groupby 的用法是什麼？",
]


async def test_all_blocks_of_an_answer_run_and_its_words_are_kept_as_thoughts(server):
    server.answer = lambda body: stream(say(BLOCKS))
    chunks = await take(open_openai("m"), DATA)
    assert calls(chunks) == [("python", {"code": "x = 1\n\nprint(x)\n"})]
    assert text(chunks) == "First load it:\n"
    assert "Then print:" in thoughts(chunks)
    assert "It is 1." in thoughts(chunks)


@pytest.mark.parametrize("tools", [True, False])
@pytest.mark.parametrize("data", [(), ("`sales`: 4 rows",)])
@pytest.mark.parametrize("question", HOW_TO)
async def test_the_code_of_a_how_to_is_shown_whole_and_never_run(server, question, data, tools):
    answer = "Like this:\n\n```python\nprint(1)\n```\n\nThen call it."
    server.answer = lambda body: (
        fault(400, "m does not support tools")
        if "tools" in body and not tools
        else stream(*map(say, answer))
    )
    chunks = await take(open_openai("m"), how_to(question, *data))
    assert (text(chunks), calls(chunks), thoughts(chunks)) == (answer, [], "")


async def test_code_with_gaps_for_the_reader_to_fill_is_not_run(server):
    answer = '```python\npd.read_csv("your_file.csv")\n```\nThat reads it.'
    server.answer = lambda body: stream(say(answer))
    chunks = await take(open_openai("m"), how_to("Read a file."))
    assert (text(chunks), calls(chunks)) == (answer, [])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (CODE, CODE),
        ("sales.groupby('region').units.sum()", "sales.groupby('region').units.sum()"),
        (f"Run this:\n```\n{CODE}\n```\nIt gives 3700.", CODE + "\n"),
    ],
)
async def test_an_answer_that_is_nothing_but_code_runs(server, answer, code):
    server.answer = lambda body: stream(say(answer))
    chunks = await take(open_openai("m"), DATA)
    assert calls(chunks) == [("python", {"code": code})]
    assert (text(chunks), chunks[-1]) == ("", Finish("tool_calls"))
    assert ("3700" in thoughts(chunks)) == ("3700" in answer)


@pytest.mark.parametrize(
    "answer", ["North", "42", "North (highest)", "North, South", "```\nNorth 3\n```", "a = b?"]
)
async def test_prose_that_parses_as_python_is_no_code(server, answer):
    server.answer = lambda body: stream(say(answer))
    chunks = await take(open_openai("m"), DATA)
    assert (text(chunks), calls(chunks)) == (answer, [])


# Results that nothing was run for

FENCED = f"```python\n{CODE}\n```"


async def test_an_invented_result_is_asked_once_more_in_fences(server):
    answers = [stream(say("North sold most, 3700.")), stream(say(FENCED))]
    server.answer = lambda body: answers.pop(0)
    model = open_openai("m")
    chunks = await take(model, DATA)
    assert calls(chunks) == [("python", {"code": CODE + "\n"})]
    assert text(chunks) == ""
    assert "3700" in thoughts(chunks)
    first, second = server.bodies
    assert "tools" in first
    assert "tools" not in second
    assert "```python" in second["messages"][0]["content"]
    *_, said, asked = second["messages"]
    assert said["content"] == "North sold most, 3700."
    assert asked["content"].startswith("No code has given a result")
    assert "To find out “Which region sold most?”, write one" in asked["content"]


async def test_code_in_a_fence_without_a_name_runs_also_when_asked_for_again(server):
    answers = [stream(say("North.")), stream(say(f"```\n{CODE}\n```"))]
    server.answer = lambda body: answers.pop(0)
    chunks = await take(open_openai("m"), DATA)
    assert calls(chunks) == [("python", {"code": CODE + "\n"})]
    assert text(chunks) == ""


async def test_a_model_that_follows_fences_alone_keeps_them(server):
    answers = [stream(say("North.")), stream(say(FENCED)), stream(say("North: 3700."))]
    server.answer = lambda body: answers.pop(0)
    model = open_openai("m")
    chunks = await take(model, DATA)
    ((_, arguments),) = calls(chunks)
    assert text(await take(model, DATA, *ran("3700", arguments["code"]))) == "North: 3700."
    assert "tools" not in server.bodies[-1]


def ran(output, code="print(1)"):
    function = {"name": "python", "arguments": json.dumps({"code": code})}
    made = {"id": "c", "type": "function", "function": function}
    return [
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "c", "content": output},
    ]


FURTHER = {"role": "user", "content": "And in the south?"}
THREAD = [DATA, *ran("3700"), {"role": "assistant", "content": "North: 3700."}, FURTHER]


@pytest.mark.parametrize("written", [FENCED, WRITTEN["triple quotes"]])
async def test_a_model_that_writes_its_calls_as_text_is_asked_in_fences_from_then_on(
    server, written
):
    answers = [stream(say(written)), stream(say("North."))]
    server.answer = lambda body: answers.pop(0)
    model = open_openai("m")
    await take(model, DATA)
    await take(model, DATA, *ran("3700"))
    first, second = server.bodies
    assert "tools" in first
    assert "tools" not in second
    output = second["messages"][-1]["content"]
    assert output.startswith(
        "Output of the code:\n```\n3700\n```\n\nAnswer “Which region sold most?”"
    )


async def test_a_model_that_writes_calls_as_it_was_taught_keeps_its_tools(server):
    answers = [stream(say(WRITTEN["a tag"])), stream(say("North."))]
    server.answer = lambda body: answers.pop(0)
    model = open_openai("m")
    await take(model, DATA)
    await take(model, DATA, *ran("3700"))
    assert all("tools" in body for body in server.bodies)


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ([DATA], "To find out “Which region sold most?”, write one ```python block"),
        (THREAD, "If “And in the south?” is to be computed from the data, write one ```python"),
        ([DATA, *ran("3700")], "Answer “Which region sold most?” in words, with the values of"),
        (
            [DATA, *ran(f"KeyError: 'x'\n{FAILED}")],
            "Output of the code:\n```\nKeyError: 'x'\n```\n[",
        ),
        ([how_to("How do I plot this?", "`sales`: 4 rows")], "`sales`: 4 rows"),
        ([{"role": "user", "content": "Hello!"}], "Hello!"),
    ],
)
async def test_a_question_in_fences_ends_with_what_to_do(server, messages, end):
    server.answer = lambda body: (
        fault(400, "m does not support tools") if "tools" in body else stream(say(FENCED))
    )
    system = {"role": "system", "content": f"{HOW_TO_CALL}\n- Compute."}
    await take(open_openai("m"), system, *messages)
    told, *_, last = server.bodies[-1]["messages"]
    assert last["content"].split("\n\n")[-1].startswith(end)
    assert told["content"] == f"{INSTRUCTIONS}\n\n- Compute."


async def test_a_model_in_fences_that_may_run_no_more_is_told_so(server):
    server.answer = lambda body: (
        fault(400, "m does not support tools") if "tools" in body else stream(say("North."))
    )
    model = open_openai("m")
    await take(model, DATA, *ran("3700"))
    assert text(await take(model, DATA, *ran("3700"), tools=[], tool_choice="none")) == "North."
    told, *_, last = server.bodies[-1]["messages"]
    assert {message["role"] for message in server.bodies[-1]["messages"]} <= {
        "system",
        "user",
        "assistant",
    }
    assert told["content"] == NO_CODE
    assert last["content"].endswith("with the values of this output; run no more code.")


@pytest.mark.parametrize(
    ("messages", "answer", "asked"),
    [
        ([DATA, *ran(f"KeyError: 'x'\n{FAILED}")], "North.", 2),
        ([DATA, *ran(f"KeyError: 'x'\n{FAILED}"), *ran("3700")], "North.", 1),
        (THREAD, "It is the same there.", 1),
        (THREAD, "It is 4100 there.", 2),
        ([*THREAD, *ran("4100")], "It is 4,100 there.", 1),
    ],
)
async def test_what_no_code_has_given_for_this_question_is_asked_again(
    server, messages, answer, asked
):
    server.answer = lambda body: stream(say(answer))
    assert text(await take(open_openai("m"), *messages)) == answer
    assert len(server.bodies) == asked


async def test_the_second_answer_stands_and_both_are_paid(server):
    used = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 3}}
    server.answer = lambda body: stream(say("North sold most."), used)
    chunks = await take(open_openai("m"), DATA)
    assert text(chunks) == "North sold most."
    assert [chunk for chunk in chunks if isinstance(chunk, Usage)] == [Usage(20, 6)]
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("It has 4 rows; the first is North with 10.25, or 10.3.", 1),
        ("There are 2 columns.", 1),
        ("Use `sales.head(100)`, or:\n```python\nsales.tail(500)\n```\nas you like.", 1),
        ("North sold 3700.", 2),
        ("1,200.5 on average", 2),
    ],
)
async def test_a_model_that_calls_tools_is_asked_again_for_new_numbers_only(
    server, monkeypatch, answer, asked
):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    services = Services(server, say=answer)

    def say_at_once(body):
        return services.answer({key: value for key, value in body.items() if key != "tools"})

    server.answer = say_at_once
    chunks = await take(open_azure("gpt-6-sol"), DATA)
    assert len(server.bodies) == asked
    assert text(chunks).endswith(answer)
    assert chunks[-1] == Finish("stop")
    assert len([chunk for chunk in chunks if isinstance(chunk, ReasoningItems)]) == 1


async def test_text_before_a_call_and_a_question_back_are_shown(server):
    made = {"index": 0, "id": "a", "function": {"name": "python", "arguments": '{"code": "1"}'}}
    server.answer = lambda body: stream(say("I look at 3700 rows."), call(made))
    chunks = await take(open_openai("m"), DATA)
    assert (text(chunks), len(calls(chunks))) == ("I look at 3700 rows.", 1)
    server.answer = lambda body: stream(say("Do you mean 2023 or 2024?"))
    assert text(await take(open_openai("n"), DATA)) == "Do you mean 2023 or 2024?"
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    "request_",
    [
        {"tool_choice": "none"},
        {"tools": ()},
        {"options": {"response_format": {"type": "json_object"}}},
    ],
)
async def test_where_no_code_can_run_an_answer_is_an_answer(server, request_):
    server.answer = lambda body: stream(say("North sold 3700."))
    chunks = await take(open_openai("m"), DATA, **request_)
    assert (text(chunks), len(server.bodies)) == ("North sold 3700.", 1)


# Numbers cited as files


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("It is [3700](sandbox:/mnt/data/3700).", "It is 3700."),
        ("**[1,234.5](sandbox:/mnt/data/1234.5)**", "**1,234.5**"),
        ("[12%](sandbox:/mnt/data/12%)", "12%"),
        ("See [the table](sandbox:/mnt/data/t.csv).", None),
        ("[2024](sandbox:/mnt/data/2024.csv)", None),
        ("[3700](https://example.org/3700)", None),
        ("![3](sandbox:/mnt/data/3.png) a [b] c! [", None),
    ],
)
async def test_a_number_that_is_cited_as_a_file_is_a_number(server, answer, shown, size):
    pieces = [answer[i : i + size] for i in range(0, len(answer), size)]
    server.answer = lambda body: stream(*map(say, pieces))
    assert text(await take(open_openai("m"))) == (shown or answer)


@pytest.mark.parametrize(("output", "hinted"), [("(no output)", True), ("3700", False)])
async def test_a_model_that_forgot_to_print_is_told_to(server, output, hinted):
    server.answer = lambda body: (
        fault(400, "m does not support tools") if "tools" in body else stream(say("42."))
    )
    await take(open_openai("m"), DATA, *ran(output, "x = 1"))
    assert ("Print what you need" in server.bodies[-1]["messages"][-1]["content"]) == hinted
