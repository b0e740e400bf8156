"""Functions of the notebook, documents to search, and the choice of tools, in whole turns."""

from __future__ import annotations

import openai
import pandas as pd
import pytest

from aoai_magic.attach.function_tools import find
from aoai_magic.errors import AttachError, TurnError, UsageError
from aoai_magic.notebook.magics import parser
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options, from_keywords
from aoai_magic.turn import view
from aoai_magic.turn.events import Passage

CALLS = """
turns:
  - - calls:
      - tool: {name: price, arguments: {symbol: ACME, days: 2}}
      - tool: {name: price, arguments: {symbol: 3}}
    - code: "print('and code')"
    - text: "It is 42."
"""
SEARCHES = """
turns:
  - - tool: {name: file_search, arguments: {query: vacation}}
    - text: "It is 25 days 【0:0†handbook.md】, said twice 【0:0†handbook.md】."
  - - tool: {name: file_search, arguments: {query: travel}}
    - text: "Paid 【1:0†handbook.md】."
"""
ROWS = """
turns:
  - - tool: {name: file_search, arguments: {query: quick}}
    - text: "It is z 【0:0†reviews.said.jsonl】."
  - - tool: {name: file_search, arguments: {query: quick}}
    - text: "None 【1:0†reviews.said.jsonl】."
"""

FOLDER = """
turns:
  - when: ""
    replies:
      - tool: {name: file_search, arguments: {query: travel}}
      - text: "Paid 【2:0†x】 and 【2:1†x】."
"""
AGAIN = """
turns:
  - when: "Days"
    replies:
      - tool: {name: file_search, arguments: {query: vacation}}
      - text: "25 【1:0†x】."
  - when: "Hello"
    replies: [text: "Hello."]
"""


def price(symbol: str, days: int = 1) -> dict[str, float]:
    """Return the price of a share."""
    return {symbol: 21.0 * days}


@pytest.fixture
def here(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("AOAI_MAGIC_TARGET", engine.url)
    monkeypatch.setenv("AOAI_MAGIC_TOKEN", engine.token)
    monkeypatch.setenv("AOAI_MAGIC_DISPLAY", "quiet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def notices(turn):
    return [part.text for part in turn.view.parts if isinstance(part, view.Notice)]


# Functions


async def test_a_function_of_the_notebook_is_called_where_it_lives(here, script):
    assistant = Assistant({"price": price})
    turn = await assistant.ask("Price?", Options(tool=("price",), model=script(CALLS)))
    assert (turn.status, turn.text) == ("completed", "It is 42.")
    good, bad = notices(turn)
    assert good == 'price({"symbol": "ACME", "days": 2}) → {"ACME": 42.0}'
    assert "ValidationError" in bad
    assert "and code" in turn.logs


async def test_functions_may_be_given_themselves_and_be_asynchronous(here, script):
    async def price(symbol: object, days: int = 0) -> str:
        raise LookupError(f"no {symbol}")

    turn = await Assistant({}).ask(
        "Price?", from_keywords((), {"tool": price, "model": script(CALLS)})
    )
    assert turn.status == "completed"
    assert "→ LookupError: no ACME" in notices(turn)[0]


def test_a_function_is_described_by_its_signature_and_text():
    (found,) = find(["price"], {"price": price})
    told = found.tool["function"]
    assert (told["name"], told["description"]) == ("price", "Return the price of a share.")
    assert told["parameters"]["required"] == ["symbol"]
    assert told["parameters"]["properties"]["days"]["type"] == "integer"


async def test_results_are_told_as_the_model_can_read_them():
    def give(kind: str):
        return {"text": "as it is", "list": [1, None], "object": {1, 2}}[kind]

    (found,) = find([give], {})
    said = [(await found.call(f'{{"kind": "{kind}"}}')).text for kind in ("text", "list", "object")]
    assert said == ["as it is", "[1, null]", "{1, 2}"]
    assert "ValidationError" in (await found.call("no JSON")).text


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no variable of that name"),
        (3, "only functions"),
        (dict, "only functions"),
        (lambda *rest: rest, "are not supported"),
        (lambda a, /: a, "are not supported"),
    ],
)
def test_what_cannot_be_offered_is_refused_with_a_sentence(value, told):
    with pytest.raises(UsageError, match=told):
        find(["f"], {"f": value})


# Documents


async def test_documents_are_searched_and_cited_and_stay_with_the_thread(here, script):
    (here / "docs" / "more").mkdir(parents=True)
    (here / "docs" / "handbook.md").write_text("25 days of vacation. Travel is paid.")
    (here / "docs" / "more" / "scan.pdf").write_bytes(b"%PDF-1.4 nonsense")
    assistant, model = Assistant({}), script(SEARCHES)
    turn = await assistant.ask("How many days?", Options(search=("docs",), model=model))
    assert turn.status == "completed", turn.error
    assert turn.text == "It is 25 days [1], said twice [1]."
    assert turn.sources == [
        Passage(1, "handbook.md", "line 1", "25 days of vacation. Travel is paid.")
    ]
    searched, failed = notices(turn)
    assert searched == "Searched the documents: vacation"
    assert failed.startswith("scan.pdf was not searched. The file is damaged")
    turn = await assistant.ask("And travel?", Options(model=model))
    assert (turn.text, len(turn.sources)) == ("Paid [1].", 1)


async def test_rows_of_a_column_are_searched_and_an_older_version_is_not(here, script):
    model = script(ROWS)
    reviews = pd.DataFrame({"said": ["slow zebra", None, "quick zebra"]}, index=["x", "y", "z"])
    assistant = Assistant({"reviews": reviews})
    turn = await assistant.ask("Quick?", Options(search=("reviews.said",), model=model))
    assert turn.status == "completed", turn.error
    assert turn.text == "It is z [1]."
    assert turn.sources == [Passage(1, "reviews.said.jsonl", "row z", "quick zebra")]
    reviews.loc["z", "said"] = "late zebra"
    turn = await assistant.ask("Late?", Options(search=("reviews.said",), model=model))
    assert "[1]" not in turn.text
    with pytest.raises(AttachError, match=r"There is no file reviews\.none"):
        await assistant.ask("Quick?", Options(search=("reviews.none",), model=model))


async def test_what_left_the_folder_is_not_found(here, script):
    model = script(FOLDER)
    (here / "docs").mkdir()
    (here / "docs" / "handbook.md").write_text("travel")
    (here / "docs" / "travel.md").write_text("vacation and travel")
    assistant = Assistant({})
    for path in ("docs/handbook.md", "docs"):
        await assistant.ask("How many days?", Options(search=(path,), model=model))
    (here / "docs" / "handbook.md").unlink()
    turn = await assistant.ask("And travel?", Options(search=("docs",), model=model))
    assert [one.file for one in turn.sources] == ["travel.md"]


async def test_documents_whose_store_is_gone_are_named_or_searched_again(here, engine, script):
    model = script(AGAIN)
    (here / "handbook.md").write_text("25 days of vacation.")
    assistant = Assistant({})
    await assistant.ask("Days?", Options(search=("handbook.md",), model=model))
    async with openai.AsyncOpenAI(base_url=f"{engine.url}/v1", api_key=engine.token) as api:
        async for store in api.vector_stores.list():
            await api.vector_stores.delete(store.id)
    lost = "The thread's documents have expired or were deleted"
    turn = await assistant.ask("Hello?", Options(model=model))
    assert any(one.startswith(lost) for one in notices(turn))
    turn = await assistant.ask("Hello?", Options(model=model))
    assert notices(turn) == []
    turn = await assistant.ask("Days?", Options(search=("handbook.md",), model=model))
    assert [one.text for one in turn.sources] == ["25 days of vacation."]


async def test_documents_that_are_not_there(here):
    with pytest.raises(AttachError, match=r"There is no file nothing\.pdf"):
        await Assistant({}).ask("Days?", Options(search=("nothing.pdf",)))


async def test_a_dry_run_names_documents_and_functions(here, capsys):
    (here / "a.md").write_text("zebra")
    options = Options(search=("*.md",), tool=("price",), dry_run=True)
    assert await Assistant({"price": price}).ask("Zebra?", options) is None
    out = capsys.readouterr().out
    assert "a.md  5 bytes (document a.md)" in out
    assert "function price" in out
    assert "Return the price of a share." in out


# The choice


async def test_a_forced_tool_is_called(here, script):
    model = script('turns:\n  - {when: "", replies: [{text: "I would rather not."}]}')
    with pytest.raises(TurnError, match="did not call the tool `python`"):
        await Assistant({}).ask("Go.", Options(tool_choice="code_interpreter", model=model))
    turn = await Assistant({}).ask("Go.", Options(tool_choice="none", model=model))
    assert turn.text == "I would rather not."


async def test_a_choice_of_nothing_known_is_refused(here):
    with pytest.raises(UsageError, match="--tool-choice price"):
        await Assistant({"price": price}).ask("Go.", Options(tool_choice="price"))
    with pytest.raises(UsageError, match="requires --search PATH"):
        await Assistant({}).ask("Go.", Options(tool_choice="file_search"))


def test_the_magic_line_takes_lists():
    line = "sales --search a.md docs -o top --tool price --search b.md --tool cost"
    given = parser().parse_intermixed_args(line.split())
    assert given.items == ["sales"]
    assert given.search == ["a.md", "docs", "b.md"]
    assert given.tool == ["price", "cost"]
