"""Typed answers: values from the session's code, checked, and asked for once more."""

import datetime as dt
import json
import socket
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import openai
import pandas as pd
import pytest
from jsonschema import validate
from pydantic import AfterValidator, BaseModel

from aoai_magic.display.saved.turn_record import record
from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options


class Best(BaseModel):
    region: str
    revenue: float


def look_up(value: int) -> int:
    return {1: 1}[value]


def leave(value: int) -> int:
    raise (KeyboardInterrupt if value == 8 else SystemExit)(value)


SCHEMA = files("aoai_magic.display.saved") / "turn.schema.json"
SCRIPT = """
turns:
  - when: The value did not fit.*valid date
    replies:
      - code: "open('/mnt/data/answer_0000b1.json', 'w').write('\\"2024-03-01\\"')"
        usage: {prompt_tokens: 20, completion_tokens: 3}
      - text: Saved again.
        usage: {prompt_tokens: 20, completion_tokens: 3}
  - when: The value did not fit
    replies:
      - text: There is none.
  - when: "."
    replies:
      - code: CODE
        usage: {prompt_tokens: 10, completion_tokens: 2}
      - text: About 3.14.
        usage: {prompt_tokens: 10, completion_tokens: 2}
"""


@pytest.fixture
def asked(engine, script, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    assistant = Assistant({"Best": Best, "schema": {"type": "array", "items": {"type": "integer"}}})

    async def ask(saved: str, **options):
        code = f"open('/mnt/data/answer_0000a1.json', 'w').write({saved!r})"
        monkeypatch.setenv("AOAI_MAGIC_MODEL", script(SCRIPT.replace("CODE", json.dumps(code))))
        return await assistant.ask("How much?", Options(**options))

    ask.assistant = assistant
    return ask


@pytest.mark.parametrize(
    ("saved", "as_", "value"),
    [
        ("3.141592653589793", "float", 3.141592653589793),
        ("3", "float", 3.0),
        ("3", "int", 3),
        ('"north"', "str", "north"),
        ("true", "bool", True),
        ('"2024-02-29"', "date", dt.date(2024, 2, 29)),
        ("[1, 2.5]", "list", [1, 2.5]),
        ('{"north": 1}', "dict", {"north": 1}),
        ("[1, 2]", list[int], [1, 2]),
        ("[1, 2]", "schema", [1, 2]),
        ('{"region": "north", "revenue": 2.5}', "Best", Best(region="north", revenue=2.5)),
        ('{"region": "north", "revenue": 2.5}', Best, Best(region="north", revenue=2.5)),
    ],
)
async def test_the_value_is_what_the_code_saved(asked, saved, as_, value):
    turn = await asked(saved, as_=as_, out="answer")
    assert (turn.value, type(turn.value)) == (value, type(value))
    assert asked.assistant.namespace["answer"] == value
    saved_record = record(turn.view)
    assert saved_record["value"] == json.loads(saved)
    schema = json.loads(SCHEMA.read_text())
    validate(saved_record, schema)
    assert not turn.files
    assert "answer_" not in turn.code


@pytest.mark.parametrize(
    ("saved", "as_", "problem"),
    [
        ("3.5", "int", "valid integer"),
        ('"3"', "int", "valid integer"),
        ("1", "bool", "valid boolean"),
        ("NaN", "float", "NaN is not a number"),
        ("1e999", "float", "1e999 is not a number"),
        ("[" * 100_000, "list", "It is not JSON"),
        ("[" * 700 + "]" * 700, {"items": {"$ref": "#"}}, "nested too deeply"),
        ("1", {"$ref": "#"}, "nested too deeply"),
        ('{"north": 1, "north": 2}', "dict", "a key stands twice"),
        ("About 3.14", "float", "It is not JSON"),
        ('["a"]', "schema", "0: 'a' is not of type 'integer'"),
        ('{"region": 1}', Best, "region: Input should be a valid string; revenue: Field required"),
        ("7", Annotated[int, AfterValidator(look_up)], "Checking it failed: KeyError: 7"),
        ("7", Annotated[int, AfterValidator(leave)], "Checking it failed: SystemExit: 7"),
        ("8", Annotated[int, AfterValidator(leave)], "Checking it failed: KeyboardInterrupt: 8"),
    ],
)
async def test_what_does_not_fit_fails_the_cell_and_keeps_the_turn(asked, saved, as_, problem):
    with pytest.raises(AssistantError, match=problem):
        await asked(saved, as_=as_, out="answer")
    turn = asked.assistant.namespace["_assistant"]
    assert (turn.status, turn.value) == ("completed", None)
    assert turn.text == "About 3.14.\n\nThere is none."
    assert "answer" not in asked.assistant.namespace


async def test_the_model_puts_right_what_does_not_fit(asked):
    turn = await asked('"2024-13-01"', as_="date")
    assert turn.value == dt.date(2024, 3, 1)
    assert turn.usage.input_tokens == 60
    assert any("asked again" in getattr(part, "text", "") for part in turn.parts)


async def test_the_schema_may_be_a_file(asked, tmp_path):
    (tmp_path / "pair.json").write_text('{"type": "array", "maxItems": 2}')
    assert (await asked("[1, 2]", as_="pair.json")).value == [1, 2]
    (tmp_path / "pair.json").write_text('{"type": "array", "maxItems": 1}')
    with pytest.raises(AssistantError, match="is too long"):
        await asked("[1, 2]", as_="@pair.json", new=True)


@pytest.fixture
def schemas(tmp_path):
    (tmp_path / "true.json").write_text("true")
    (tmp_path / "deep.json").write_text('{"not":' * 3000 + "{}" + "}" * 3000)


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"as_": "flaot"}, "--as flaot: there is int, float"),
        ({"as_": "gone.json"}, "could not be read"),
        ({"as_": 3.5}, "not a type of a value"),
        ({"as_": {"type": "nothing"}}, "not a JSON schema"),
        ({"as_": {"$ref": "#/$defs/gone"}}, "refers to #/.defs/gone, which is not in it"),
        ({"as_": {"items": {"$ref": Path(__file__).as_uri()}}}, "nothing is fetched"),
        ({"as_": "true.json"}, "it is no JSON object"),
        ({"as_": "deep.json"}, "could not be read|nested too deeply"),
        ({"as_": "int", "tool_choice": "none"}, "needs the Python tool"),
    ],
)
async def test_types_that_are_none_are_refused_before_anything_is_sent(asked, options, refusal):
    with pytest.raises(UsageError, match=refusal):
        await asked("1", **options)


async def test_a_schema_has_nothing_fetched(asked):
    """What it names may be told who asks, and when; drafts and its own parts are known."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        place = f"http://127.0.0.1:{server.getsockname()[1]}/part.json"
        hidden = {"$ref": "#/other", "other": {"$id": place, "$ref": "#/gone"}}
        for schema in ({"$ref": place}, {"items": {"$ref": place}}, hidden):
            with pytest.raises(AssistantError, match="nothing is fetched"):
                await asked("[1]", as_=schema, new=True)
        with pytest.raises(TimeoutError):
            server.accept()
    own = {"$ref": "#/$defs/list", "$defs": {"list": {"type": "array"}}}
    assert (await asked("[1]", as_=own, new=True)).value == [1]
    draft = {"not": {"$ref": "http://json-schema.org/draft-07/schema#"}}
    assert (await asked("[1]", as_=draft, new=True)).value == [1]


@pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)
async def test_a_service_gives_values_too(asked, engine, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "azure")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", engine.url)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", engine.token)
    turn = await asked('"2024-13-01"', as_="date")
    assert (turn.view.target, turn.value) == ("azure", dt.date(2024, 3, 1))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.setenv("AOAI_MAGIC_TARGET", "local")
    sales = pd.DataFrame({"region": ["N", "S", "N"], "revenue": [0.1, 0.2, 1 / 3]})
    return Assistant({"sales": sales})


async def test_the_offline_model_gives_values_of_its_own_results(offline):
    sales = offline.namespace["sales"]
    first = Options(items=("sales",), as_="float")
    turn = await offline.ask("What is the average revenue?", first)
    assert turn.value == sales.revenue.mean()
    assert (await offline.ask("What is the average revenue?", first)).value == turn.value
    turn = await offline.ask("How many rows are there?", Options(as_="int", out="rows"))
    assert offline.namespace["rows"] == turn.value == 3
    turn = await offline.ask("Total revenue by region", Options(as_="dict"))
    assert turn.value == sales.groupby("region").revenue.sum().to_dict()
    turn = await offline.ask("Total revenue by region", Options(as_="frame"))
    assert turn.value.set_index("region").revenue.to_dict() == {"S": 0.2, "N": 0.1 + 1 / 3}
    await offline.ask("Total revenue by region", Options(out="totals"))
    totals = offline.namespace["totals"]
    assert totals.set_index("region").revenue.to_dict() == {"S": 0.2, "N": 0.1 + 1 / 3}
    with pytest.raises(AssistantError, match="No str came back: No value was saved"):
        await offline.ask("Total revenue by region", Options(as_="str"))


async def test_what_the_offline_model_refuses_is_refused_once(offline):
    turn = await offline.ask(
        "Total zorgle by region", Options(("sales",), as_="float", no_raise=True)
    )
    assert turn.text.count("zorgle") == 1
