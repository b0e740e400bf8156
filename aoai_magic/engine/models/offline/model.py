"""The offline model: from the messages to the next piece of code, or to the answer.

It keeps no state: every call reads the conversation anew, sees which code was run and
what it printed, and finds from that alone what comes next.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace

import anyio

from aoai_magic.engine.models.base import (
    FILE_SEARCH_TOOL,
    PYTHON_TOOL,
    Chunk,
    Finish,
    Request,
    Text,
    ToolCall,
    Usage,
)
from aoai_magic.engine.models.offline import answer, lookup, repair
from aoai_magic.engine.models.offline.conversation import (
    Conversation,
    Exchange,
    Step,
    read_conversation,
)
from aoai_magic.engine.models.offline.findings import Findings, read_findings
from aoai_magic.engine.models.offline.inspection import (
    OPENING,
    SUFFIXES,
    Inspection,
    inspection_code,
    read_inspection,
)
from aoai_magic.engine.models.offline.intent import is_refused, needs_data, read_tasks
from aoai_magic.engine.models.offline.language import Language, detect
from aoai_magic.engine.models.offline.naming import kept_apart
from aoai_magic.engine.models.offline.printing import PRINTER
from aoai_magic.engine.models.offline.recipes import RECIPES, ending
from aoai_magic.engine.models.offline.schema import Table
from aoai_magic.engine.models.offline.script import described
from aoai_magic.engine.models.offline.task import Task, Way

_CHARACTERS_PER_TOKEN = 4
_PIECE = 120
"""Characters per piece of streamed code."""


@dataclass(frozen=True)
class Code:
    """The next step: code to run."""

    text: str


@dataclass(frozen=True)
class Query:
    """The next step: a search of the user's documents."""

    text: str


@dataclass(frozen=True)
class Answer:
    """The end of the turn."""

    text: str


@dataclass(frozen=True)
class _Outcome:
    """What came of a task."""

    task: Task
    way: Way
    findings: Findings = field(default_factory=dict)
    error: str = ""


class OfflineModel:
    """A model of rules, which needs no key and no network."""

    name = "offline"

    async def stream(self, request: Request) -> AsyncIterator[Chunk]:
        """Yield the next call of the python tool, or the answer."""
        step = await anyio.to_thread.run_sync(next_step, request)
        for piece in _pieces(step):
            yield piece
        yield _usage(request, step.text)
        yield Finish("stop" if isinstance(step, Answer) else "tool_calls")


def next_step(request: Request) -> Code | Query | Answer:
    """Decide what comes next in a conversation."""
    talk = read_conversation(request.messages)
    if _looks_up(request, talk):
        return _lookup(request, talk)
    step = _work(request, talk)
    if isinstance(step, Answer) and _must_run(request):
        return Code(inspection_code(talk.variables, talk.files))
    return step


def _looks_up(request: Request, talk: Conversation) -> bool:
    """Whether the documents matter for this prompt, and not the session's data."""
    if not lookup.offered(request):
        return False
    if lookup.demanded(request) or lookup.output(request) is not None:
        return True
    return not _may_run(request) or not (talk.files and _wants_a_look(talk))


def _lookup(request: Request, talk: Conversation) -> Query | Answer:
    prompt, found = talk.exchanges[-1].prompt, lookup.output(request)
    if found is None:
        return Query(prompt)
    language = detect(prompt)
    text = lookup.told(found, prompt, language)
    return Answer(answer.with_notice(text, _said(talk), language))


def _must_run(request: Request) -> bool:
    """Whether the client demands that code is run."""
    named = {"type": "function", "function": {"name": PYTHON_TOOL}}
    return _may_run(request) and request.tool_choice in ("required", named)


def _said(talk: Conversation) -> str:
    return "\n".join(past.answer for past in talk.exchanges)


def _work(request: Request, talk: Conversation) -> Code | Answer:
    """Decide what comes next in work on data."""
    now = talk.exchanges[-1]
    language = detect(now.prompt)
    earlier = _said(talk)
    tables = _tables(talk)
    if tables is None and _wants_a_look(talk):
        if not _may_run(request):
            return Answer(answer.with_notice(answer.no_python(language), earlier, language))
        return Code(inspection_code(talk.variables, talk.files))
    tasks = _asked(now, tables or (), _previous(talk, tables or ()))
    outcomes, way = _replay(tasks, talk, language)
    if len(outcomes) < len(tasks):
        if not _may_run(request):
            return Answer(answer.with_notice(answer.no_python(language), earlier, language))
        task = tasks[len(outcomes)]
        return Code(_opened(_code(task, way, language), bool(now.steps)))
    text = _report(outcomes, now, language)
    return Answer(answer.with_notice(text, earlier, language))


def _may_run(request: Request) -> bool:
    names = {tool["function"]["name"] for tool in request.tools}
    return PYTHON_TOOL in names and request.tool_choice != "none"


def _wants_a_look(talk: Conversation) -> bool:
    """Whether the data matter for this prompt; nothing is run for a poem."""
    now = talk.exchanges[-1]
    if talk.bare:
        return False
    follows = any(_is_look(step) for past in talk.exchanges[:-1] for step in past.steps)
    stems = {name.rpartition(".")[0] for name in talk.files} - {""}
    return needs_data(now.prompt, stems) or (follows and not is_refused(now.prompt))


def _is_look(step: Step) -> bool:
    return step.code.startswith(OPENING)


def _tables(talk: Conversation) -> list[Table] | None:
    """Give the tables of the last look; None if a look at the present data is wanting."""
    steps = [step for past in talk.exchanges for step in past.steps if _is_look(step)]
    if not steps:
        return None
    look = read_inspection(steps[-1].output)
    looked_now = any(_is_look(step) for step in talk.exchanges[-1].steps)
    if looked_now or (look.complete and _is_present(look, talk)):
        return _of_user(look.tables, talk)
    return None


def _of_user(tables: Sequence[Table], talk: Conversation) -> list[Table]:
    """Leave out what our own code wrote, unless the prompt names it or there is nothing else."""
    prompt, saved = talk.exchanges[-1].prompt, talk.saved
    wanted = [t for t in tables if t.file not in saved or t.name in prompt]
    return wanted or list(tables)


def _is_present(look: Inspection, talk: Conversation) -> bool:
    """Whether the files of a look are those that the session holds now."""
    own = talk.saved
    present = {
        name: size
        for name, size in talk.files.items()
        if name.lower().endswith(SUFFIXES) and name not in own
    }
    return all(look.sizes.get(name) in {size, -1} for name, size in present.items())


def _previous(talk: Conversation, tables: Sequence[Table]) -> Task | None:
    """Read the earlier prompts again, for what "the same" may refer to."""
    previous: Task | None = None
    for past in talk.exchanges[:-1]:
        tasks = _asked(past, tables, previous)
        previous = next((task for task in reversed(tasks) if task.table), previous)
    return previous


def _asked(past: Exchange, tables: Sequence[Table], previous: Task | None) -> list[Task]:
    """Read what a prompt wants, and of which tables it came with."""
    told = [replace(t, given=not past.given.isdisjoint({t.variable, t.file})) for t in tables]
    return read_tasks(past.prompt, told, previous)


def _replay(
    tasks: Sequence[Task], talk: Conversation, language: Language
) -> tuple[list[_Outcome], Way]:
    """Follow the steps taken so far through the tasks."""
    way = repair.learned(step.output for past in talk.exchanges for step in past.steps)
    steps = [step for step in talk.exchanges[-1].steps if not _is_look(step)]
    outcomes, tried = _without_code(tasks, [], way), 0
    for step in steps:
        if len(outcomes) == len(tasks):
            break
        tried += 1
        outcome, other = _judge(tasks[len(outcomes)], way, step, tried, language)
        if outcome is None:
            way = other
            continue
        outcomes, tried = _without_code(tasks, [*outcomes, outcome], way), 0
        way = other
    return outcomes, way


def _without_code(tasks: Sequence[Task], outcomes: list[_Outcome], way: Way) -> list[_Outcome]:
    """Pass over tasks that run nothing."""
    while len(outcomes) < len(tasks) and tasks[len(outcomes)].kind not in RECIPES:
        outcomes = [*outcomes, _Outcome(tasks[len(outcomes)], way)]
    return outcomes


def _judge(
    task: Task, way: Way, step: Step, tried: int, language: Language
) -> tuple[_Outcome | None, Way]:
    """Tell whether a step did its task; if not, give the way to try next."""
    findings = read_findings(step.output)
    if "kept" in findings and findings["kept"].first("rows") == "0":
        return _Outcome(task, way, findings), way
    expected = RECIPES[task.kind].expects
    complete = expected in findings if expected else bool(findings)
    if complete and not repair.failed(step.output):
        return _Outcome(task, way, findings), way
    other = _other_way(task, way, step, language) if tried < repair.MOST_TRIES else None
    if other is not None:
        return None, other
    error = "" if complete else repair.reason(step.output)
    return _Outcome(task, way, findings, error or repair.reason(step.output)), way


def _other_way(task: Task, way: Way, step: Step, language: Language) -> Way | None:
    """Give the next way whose code differs from the code that failed."""
    other = repair.another_way(step.output, way)
    while other is not None and _code(task, other, language) == step.code.replace(PRINTER, ""):
        other = repair.another_way(step.output, other)
    return other


def _code(task: Task, way: Way, language: Language) -> str:
    code = "\n".join(RECIPES[task.kind].code(task, way, language)).rstrip() + "\n"
    tables = [source for table in (task.table, task.other) if table for source in table.sources]
    return kept_apart(code, {table.variable for table in tables})


def _opened(code: str, goes_on: bool) -> str:
    """Put the function that prints where the turn's first code uses it.

    It stands once in each turn: the session may be a new one, and the turn's code as a
    whole runs in any notebook.
    """
    if goes_on or "print_table(" not in code:
        return code
    head, imported, rest = code.partition("import pandas as pd\n")
    return head + imported + PRINTER + rest


def _report(outcomes: Sequence[_Outcome], now: Exchange, language: Language) -> str:
    parts = [_told(outcome, language) for outcome in outcomes]
    for step in filter(_is_look, now.steps):
        if lines := read_inspection(step.output).unreadable:
            parts += [answer.unreadable(lines, language)]
    return "\n\n".join(dict.fromkeys(filter(None, parts)))


def _refusal(task: Task, language: Language) -> str:
    """Say why nothing was run."""
    if task.kind == "nothing":
        return answer.no_data(language)
    if task.kind in _REFUSALS and task.table:
        return _REFUSALS[task.kind](task.text, task.table, language)
    return answer.help_text(task.text, language)


_REFUSALS = {
    "absent": answer.no_value,
    "unclear": answer.unclear,
    "unknown": answer.no_column,
}


def _told(outcome: _Outcome, language: Language) -> str:
    task, found = outcome.task, outcome.findings
    if task.kind not in RECIPES:
        return _refusal(task, language)
    if "kept" in found and found["kept"].first("rows") == "0":
        return answer.no_rows(described(task.filters), bool(task.save), language)
    if outcome.error:
        return answer.failure(outcome.error, language)
    try:
        told = RECIPES[task.kind].tell(task, found, language)
    except (IndexError, KeyError, ValueError):
        # The output comes from data: cut or odd, it must not end the turn.
        return answer.failure("its output cannot be read", language)
    if task.ignored and task.table:
        told = f"{answer.ignored(task.ignored, task.table, language)}\n\n{told}"
    notes = [ending(task, found, language)]
    if task.save == "xlsx" and not outcome.way.excel:
        notes.append(answer.no_excel(language))
    if task.chart not in {"", "none"} and not outcome.way.chart:
        notes.append(answer.no_chart(language))
    return "\n\n".join(filter(None, [told, *notes]))


def _pieces(step: Code | Query | Answer) -> Iterator[Chunk]:
    if isinstance(step, Answer):
        return _lines(step.text)
    if isinstance(step, Query):
        return _call(FILE_SEARCH_TOOL, {"query": step.text})
    return _call(PYTHON_TOOL, {"code": step.text})


def _call(tool: str, given: dict[str, str]) -> Iterator[Chunk]:
    arguments = json.dumps(given, ensure_ascii=False)
    yield ToolCall(0, id=f"call_{uuid.uuid4().hex[:24]}", name=tool)
    for start in range(0, len(arguments), _PIECE):
        yield ToolCall(0, arguments=arguments[start : start + _PIECE])


def _lines(text: str) -> Iterator[Chunk]:
    return (Text(line) for line in text.splitlines(keepends=True))


def _usage(request: Request, text: str) -> Usage:
    """Count roughly: there are no tokens here, but a run reports some."""
    size = sum(len(str(message.get("content") or "")) for message in request.messages)
    return Usage(size // _CHARACTERS_PER_TOKEN, len(text) // _CHARACTERS_PER_TOKEN + 1)
