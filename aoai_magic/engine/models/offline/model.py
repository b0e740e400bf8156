"""The offline model: from the messages to the next piece of code, or to the answer.

It keeps no state: every call reads the conversation anew.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio

from aoai_magic.engine.models.base import (
    FILE_SEARCH_TOOL,
    PYTHON_TOOL,
    Chunk,
    Finish,
    Request,
    Text,
    ToolCall,
)
from aoai_magic.engine.models.documents import may_search, must_search, read_found
from aoai_magic.engine.models.offline.answer import Unreadable, read_output, write_answer
from aoai_magic.engine.models.offline.conversation import Conversation, Step, read_conversation
from aoai_magic.engine.models.offline.files import SUFFIXES, Reading, inspected
from aoai_magic.engine.models.offline.lexicon import detect, plain, sentence
from aoai_magic.engine.models.offline.maths import find_problem, tell_maths, write_maths
from aoai_magic.engine.models.offline.next_questions import next_questions, offers_questions
from aoai_magic.engine.models.offline.query import Query, Refusal
from aoai_magic.engine.models.offline.schema import Table
from aoai_magic.engine.models.offline.typed_value import IS_REPAIR, out_name, with_value
from aoai_magic.engine.models.offline.understand import understand
from aoai_magic.engine.models.offline.write import Program, write
from aoai_magic.shared.next_questions import LABEL, SEPARATOR

_PIECE = 120
"""Characters per piece of streamed code."""
_MOST_FILES, _MOST_TRIES = 10, 12
_GREETING = re.compile(
    r"^\W*(hi|hello|hey|help)\W*$|what can you do|何ができ|使い方|こんにちは|做什麼|怎麼用|^你好",
    re.I,
)


@dataclass(frozen=True)
class Next:
    """What comes next: ``code`` to run, a ``search``, or the ``answer`` with ``questions``."""

    kind: str
    text: str
    questions: tuple[str, ...] = ()


class OfflineModel:
    """A model of rules, which needs no key and no network."""

    name = "offline"

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the next call of a tool, or the answer; no usage, as rules read no tokens."""
        step = await anyio.to_thread.run_sync(next_step, request)
        for piece in _pieces(step):
            yield piece
        yield Finish("stop" if step.kind == "answer" else "tool_calls")


def next_step(request: Request) -> Next:
    """Return what comes next in a conversation."""
    talk = read_conversation(request.messages)
    language = detect(talk.now.prompt)
    try:
        step = _documents(request, talk) or _Turn(talk, out_name(request.messages)).next()
    except Refusal as refusal:
        step = Next("answer", refusal.text(language))
    if step.kind == "code" and not _may_run(request):
        step = Next("answer", Refusal("no python").text(language))
    if step.kind == "code" and not inspected(step.text):
        step = Next("code", with_value(step.text, request.messages))
    named = {"type": "function", "function": {"name": PYTHON_TOOL}}
    must_run = _may_run(request) and request.tool_choice in ("required", named)
    if step.kind == "answer" and must_run and not talk.now.steps:
        return Next("code", "print('ready')\n")
    notices = [sentence("notice", one) for one in ("en", "ja", "zh")]
    if step.kind == "answer" and not any(
        notice in past.answer for notice in notices for past in talk.exchanges
    ):
        step = replace(step, text=f"{step.text}\n\n{sentence('notice', language)}")
    if step.questions and offers_questions(request.messages):
        line = f"{LABEL} {SEPARATOR.join(step.questions)}"
        step = replace(step, text=f"{step.text}\n\n{line}")
    return step


def _documents(request: Request, talk: Conversation) -> Next | None:
    """Look the question up where the documents matter, and not the session's data."""
    if not may_search(request):
        return None
    prompt, language = talk.now.prompt, detect(talk.now.prompt)
    if (found := read_found(request, prompt)) is not None:
        heading = sentence("found" if found else "nothing found", language)
        quotes = [f"> {plain(text, 400)} {marker}" for text, marker in found]
        return Next("answer", "\n\n".join([heading, *quotes]))
    data = _may_run(request) and (talk.files or find_problem(prompt))
    return None if data and not must_search(request) else Next("search", prompt)


def _may_run(request: Request) -> bool:
    names = {tool["function"]["name"] for tool in request.tools}
    return PYTHON_TOOL in names and request.tool_choice != "none"


class _Turn:
    """One prompt, from the files to read to the answer."""

    def __init__(self, talk: Conversation, out: str = "") -> None:
        self._out = out
        self._talk, self._prompt = talk, talk.now.prompt
        self._language = detect(self._prompt)
        self._steps = [step for step in talk.now.steps if not inspected(step.code)]
        steps = [step for past in talk.exchanges for step in past.steps]
        looks = [(inspected(step.code), step.output) for step in steps]
        self._looks = {look.file: (look, output) for look, output in looks if look}
        codes = "\n".join(step.code for step in steps if not inspected(step.code))
        # What our own code wrote are results, not the user's data.
        self._made = {
            name for name in talk.files if f'.to_{_writer(name)}("/mnt/data/{name}"' in codes
        }

    def next(self) -> Next:
        if self._prompt.startswith(IS_REPAIR):
            raise Refusal("save")
        if _GREETING.search(self._prompt):
            says = [sentence(name, self._language) for name in ("can", "model")]
            return Next("answer", " ".join(says))
        if problem := find_problem(self._prompt):
            if not self._steps:
                return Next("code", write_maths(problem))
            output = _output(self._steps[-1])
            return Next("answer", tell_maths(problem, output, self._language))
        if reading := self._unread():
            return Next("code", reading.inspection())
        queries = self._queries()
        files = {*self._talk.files} - (self._made if self._steps else set())
        programs: list[Program] = []
        if empty := next((query.table for query in queries if query.lacks_rows), None):
            said = sentence("answer empty", self._language, table=plain(empty.label))
            return Next("answer", said)
        queries = [self._saving(query, files) for query in queries]
        for query in queries:
            programs.append(write(query, self._language, files))
            files.add(programs[-1].file)
        if not self._steps:
            return Next("code", _joined(programs))
        questions = next_questions(queries[-1], self._language)
        return Next("answer", self._answer(queries, programs), tuple(questions))

    def _saving(self, query: Query, files: Collection[str]) -> Query:
        """Have a table that becomes a variable be saved, where there is one."""
        for file in (f"{self._out}.csv", "") if self._out and not query.save else ():
            with suppress(Refusal):
                saving = replace(query, save="csv", file=file)
                write(saving, self._language, files)
                return saving
        return query

    def _unread(self) -> Reading | None:
        """Return the next file to read, and how; None if all have been tried."""
        described = {table.name for past in self._talk.exchanges for table in past.tables}
        files = [name for name in self._talk.files if name.lower().endswith(SUFFIXES)]
        files = [n for n in files if n.rpartition(".")[0] not in described and n not in self._made]
        calls = {file: call for past in self._talk.exchanges for file, call in past.calls}
        for name in files[:_MOST_FILES]:
            reading, output = self._looks.get(name, (None, ""))
            other = reading.other(output) if reading else Reading(name, call=calls.get(name, ""))
            if other and len(self._talk.now.steps) < _MOST_TRIES:
                return other
        return None

    def _tables(self) -> list[Table]:
        tables = {t.name: t for past in self._talk.exchanges for t in past.tables}
        for reading, output in self._looks.values():
            for table in reading.tables(output):
                read = any(f"\n{table.setup}\n" in step.code for step in self._talk.now.steps)
                tables.setdefault(table.name, replace(table, setup="") if read else table)
        for reading, output in self._looks.values():
            if not tables and _has_failed(output):
                raise Refusal("unreadable", reading.file, _failure(output).words[0])
        return list(tables.values())

    def _queries(self) -> list[Query]:
        tables, now = self._tables(), self._talk.now
        previous: Query | None = None
        for past in self._talk.exchanges[:-1]:
            try:
                found = understand(past.prompt, past.tables, tables, previous)
            except Refusal:
                continue
            previous = found[-1]
        return understand(now.prompt, now.tables, tables, previous)

    def _answer(self, queries: Sequence[Query], programs: Sequence[Program]) -> str:
        output = _output(self._steps[-1])
        try:
            results = read_output(output, programs)
            return "\n\n".join(
                write_answer(query, program, found, self._language)
                for query, program, found in zip(queries, programs, results, strict=True)
            )
        except (Unreadable, IndexError, ValueError, KeyError) as error:
            # The output comes from data: cut or odd, it must not end the turn.
            raise Refusal("failed", str(error)) from None


def _output(step: Step) -> str:
    if _has_failed(step.output):
        raise _failure(step.output)
    return step.output


def _has_failed(output: str) -> bool:
    failed = re.search(r"^[\w.]*Error: ", output, re.MULTILINE)
    return "Traceback (most recent call last)" in output or bool(failed)


def _failure(output: str) -> Refusal:
    """Return what to say of code that failed, by the last line that it printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["no output"]
    last = next(
        (line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)),
        lines[-1],
    )
    if "each group has several rows" in last:
        last = "each group has several rows; ask for its average, total or maximum"
    if "can only convert an array of size 1" in last:
        last = "several rows meet the conditions; ask for their average, total or maximum"
    if "No module named 'scipy'" in last:
        last = "scipy is not installed, which works such tests out"
    if "Merge keys are not unique in right dataset" in last:
        last = "the second table has several rows for one key"
    return Refusal("failed", last[:200])


def _writer(name: str) -> str:
    suffix = name.rpartition(".")[2]
    return {"tsv": "csv", "xlsx": "excel"}.get(suffix, suffix)


def _joined(programs: Sequence[Program]) -> str:
    """Join programs into one piece of code, with imports and what reads a file once."""
    imports = [*dict.fromkeys(line for program in programs for line in program.imports)]
    lines: list[str] = []
    for program in programs:
        new = [line for line in program.lines if not ("pd.read_" in line and line in lines)]
        lines += [*([""] if lines else []), *new]
    return "\n".join([*imports, *([""] if imports else []), *lines]) + "\n"


def _pieces(step: Next) -> Iterator[Chunk]:
    if step.kind == "answer":
        yield from (Text(line) for line in step.text.splitlines(keepends=True))
        return
    tools = {"search": (FILE_SEARCH_TOOL, "query"), "code": (PYTHON_TOOL, "code")}
    tool, name = tools[step.kind]
    arguments = json.dumps({name: step.text}, ensure_ascii=False)
    yield ToolCall(0, id=f"call_{uuid.uuid4().hex[:24]}", name=tool)
    for start in range(0, len(arguments), _PIECE):
        yield ToolCall(0, arguments=arguments[start : start + _PIECE])
