from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from aoai_magic.engine.models.base import (
    Chunk,
    Finish,
    ModelError,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.scripted import ScriptedModel, open_model


def script(folder: Path, text: str) -> ScriptedModel:
    path = folder / "turns.yaml"
    path.write_text(text, encoding="utf-8")
    return open_model(str(path))


def user(text: str) -> dict:
    return {"role": "user", "content": text}


async def take(model: ScriptedModel, *messages: dict) -> list[Chunk]:
    return [chunk async for chunk in model.stream(Request(messages))]


def called(code: str) -> dict:
    arguments = json.dumps({"code": code})
    call = {"id": "c1", "type": "function", "function": {"name": "python", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


OUTPUT = {"role": "tool", "tool_call_id": "c1", "content": "42"}

ARITHMETIC = """
turns:
  - - code: print(6 * 7)
    - text: The answer is 42.
  - - text: Second.
  - when: "(?i)weather|天気"
    replies:
      - text: Sunny.
"""


async def test_a_turn_calls_the_tool_and_then_answers(tmp_path):
    model = script(tmp_path, ARITHMETIC)
    first, arguments, finish = await take(model, user("What is six by seven?"))
    assert isinstance(first, ToolCall)
    assert first.name == "python"
    assert first.id
    assert json.loads(arguments.arguments) == {"code": "print(6 * 7)"}
    assert finish == Finish("tool_calls")
    answer = await take(model, user("What is six by seven?"), called("print(6 * 7)"), OUTPUT)
    assert answer == [Text("The answer is 42."), Finish("stop")]


async def test_turns_follow_the_user_messages(tmp_path):
    model = script(tmp_path, ARITHMETIC)
    history = [user("one"), called("print(6 * 7)"), OUTPUT, {"role": "assistant", "content": "42"}]
    assert await take(model, *history, user("two")) == [Text("Second."), Finish("stop")]


async def test_a_matching_turn_comes_first_and_does_not_use_up_the_order(tmp_path):
    model = script(tmp_path, ARITHMETIC)
    weather = [user("Weather?"), {"role": "assistant", "content": "Sunny."}]
    assert await take(model, user("今日の天気は?")) == [Text("Sunny."), Finish("stop")]
    first = (await take(model, *weather, user("six by seven?")))[0]
    assert isinstance(first, ToolCall)


async def test_a_run_without_a_new_message_starts_the_turn_again(tmp_path):
    model = script(tmp_path, ARITHMETIC)
    again = await take(
        model, user("one"), called("1"), OUTPUT, {"role": "assistant", "content": "42"}
    )
    assert isinstance(again[0], ToolCall)


async def test_the_prompt_may_come_in_parts(tmp_path):
    model = script(tmp_path, ARITHMETIC)
    parts = [{"type": "text", "text": "The weather?"}, {"type": "text", "text": "sales: 3 rows"}]
    assert await take(model, {"role": "user", "content": parts}) == [Text("Sunny."), Finish("stop")]


async def test_pieces_usage_reasoning_and_parallel_calls(tmp_path):
    model = script(
        tmp_path,
        """
turns:
  - - reasoning: Hm
      text: abcde
      chunk: 2
      calls:
        - code: "1"
        - tool: {name: weather, arguments: {city: 台北}}
        - tool: {name: broken, arguments: '{"a": '}
      usage: {prompt_tokens: 7, completion_tokens: 3, cached_tokens: 2}
      finish: length
""",
    )
    chunks = await take(model, user("go"))
    assert [c.text for c in chunks if isinstance(c, Text)] == ["ab", "cd", "e"]
    assert [c.text for c in chunks if isinstance(c, Reasoning)] == ["Hm"]
    calls = [c for c in chunks if isinstance(c, ToolCall)]
    arguments = ["".join(c.arguments for c in calls if c.index == i) for i in range(3)]
    assert [c.name for c in calls if c.name] == ["python", "weather", "broken"]
    assert len({c.id for c in calls if c.id}) == 3
    assert json.loads(arguments[1]) == {"city": "台北"}
    assert arguments[2] == '{"a": '
    assert chunks[-2:] == [Usage(7, 3, 2), Finish("length")]


async def test_an_error_comes_after_the_partial_answer(tmp_path):
    model = script(
        tmp_path,
        "turns: [[{text: So far, error: {message: Busy., code: rate_limit_exceeded}}]]",
    )
    stream = model.stream(Request([user("go")]))
    assert await anext(stream) == Text("So far")
    with pytest.raises(ModelError, match=r"Busy\.") as caught:
        await anext(stream)
    assert caught.value.code == "rate_limit_exceeded"


async def test_one_script_serves_many_threads_at_once(tmp_path):
    model = script(
        tmp_path,
        """
turns:
  - when: alpha
    replies: [{text: AAAA, chunk: 1, pace: 0.001}]
  - when: beta
    replies: [{text: BBBB, chunk: 1, delay: 0.001}]
""",
    )
    answers = {}

    async def ask(number: int) -> None:
        prompt = "alpha" if number % 2 else "beta"
        chunks = await take(model, user(prompt))
        answers[number] = "".join(c.text for c in chunks if isinstance(c, Text))

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(ask, number)
    assert answers == {n: "AAAA" if n % 2 else "BBBB" for n in range(100)}


async def test_a_script_that_ran_out_says_so(tmp_path):
    model = script(tmp_path, "turns: [[{code: '1'}]]")
    with pytest.raises(ModelError, match="no reply 2"):
        await take(model, user("a"), called("1"), OUTPUT)
    with pytest.raises(ModelError, match="no turn for user message 2"):
        await take(model, user("a"), {"role": "assistant", "content": "b"}, user("c"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("turns: [[{txet: hello}]]", "txet"),
        ("turns: [{when: '(', replies: [{text: a}]}]", "when"),
        ("turns: [[]]", "replies"),
        ("turns: [", "turns.yaml is not valid"),
        ("[]", "turns.yaml is not valid"),
    ],
)
def test_a_bad_script_is_refused_in_one_sentence(tmp_path, text, fault):
    with pytest.raises(ModelError, match=fault) as caught:
        script(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_script_is_named(tmp_path):
    with pytest.raises(ModelError, match="scripted:FILE"):
        open_model(str(tmp_path / "nowhere.yaml"))
