"""The offline model over documents: it searches, and quotes what fits with its marker."""

from __future__ import annotations

import json

import pytest

from aoai_magic.engine.agent.tools import PYTHON, SEARCH
from aoai_magic.engine.models.base import Request, Text, ToolCall
from aoai_magic.engine.models.offline import open_model

FOUND = """\
【0:0†handbook.md】
Employees have 25 days of vacation. Travel is paid by the company.

【0:1†old.md】
There was <b>no</b> vacation in the old days. Tea was free."""


async def said(request):
    chunks = [chunk async for chunk in open_model("").stream(request)]
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolCall)]
    if calls:
        return calls[0].name, json.loads("".join(call.arguments for call in calls))
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))


def asking(prompt, tools=(SEARCH,), found=None, **options):
    messages = [{"role": "user", "content": prompt}]
    if found is not None:
        function = {"name": "file_search", "arguments": json.dumps({"query": prompt})}
        call = {"id": "call_1", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": found})
    return Request(messages, tools, **options)


async def test_it_searches_for_the_question():
    prompt = "How many days of vacation?"
    assert await said(asking(prompt)) == ("file_search", {"query": prompt})
    assert await said(asking(prompt, (PYTHON, SEARCH))) == ("file_search", {"query": prompt})
    forced = {"type": "function", "function": {"name": "file_search"}}
    assert (await said(asking(prompt, (PYTHON, SEARCH), tool_choice=forced)))[0] == "file_search"
    assert "Python" in await said(asking("Revenue by region", (), tool_choice="none"))


async def test_it_quotes_what_fits_with_its_marker():
    text = await said(asking("How many days of vacation?", found=FOUND))
    assert "> Employees have 25 days of vacation. 【0:0†handbook.md】" in text
    assert "Travel" not in text
    assert r"\<b>no\</b>" in text
    nothing = await said(asking("Zebras?", found="Nothing was found; search with other words."))
    assert nothing.startswith("Nothing in the documents")


@pytest.mark.parametrize(
    ("prompt", "passage", "start"),
    [
        ("育児休業は何日ですか", "売上は別。育児休業は最長一年間とする。", "文書には"),
        ("特休有幾天？", "特休有十天。其他另計。", "文件中"),
    ],
)
async def test_it_answers_in_the_language_of_the_question(prompt, passage, start):
    text = await said(asking(prompt, found=f"【3:0†規程.md】\n{passage}"))
    assert text.startswith(start)
    quote = next(part for part in passage.split("。") if "休" in part)
    assert f"> {quote}。 【3:0†規程.md】" in text


async def test_it_runs_code_where_that_is_demanded():
    forced = {"type": "function", "function": {"name": "python"}}
    for choice in (forced, "required"):
        name, given = await said(asking("Tell me a joke.", (PYTHON,), tool_choice=choice))
        assert (name, bool(given["code"])) == ("python", True)
