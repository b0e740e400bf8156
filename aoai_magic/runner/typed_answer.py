"""``--as TYPE``: what the model is told of the value, how it is checked, and asked for again.

The value is never read from prose, where it may be rounded: the model's code saves it as JSON
in a file of the session, which comes back like any other, from every target.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from aoai_magic.errors import UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.bind_tables import instructions_for
from aoai_magic.shared.json_schema import bounded_depth, check_schema, not_found, validator
from aoai_magic.shared.value_file import VALUE_FILE, new_value_file
from aoai_magic.turn.events import Event, FileMade, Finished, Notice, Started, UsageReported

if TYPE_CHECKING:
    from aoai_magic.backends.base import Question

FRAME = "frame"
TYPES: Mapping[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "date": dt.date,
    "list": list,
    "dict": dict,
}


class ValueMismatchError(ValueError):
    """The value does not fit; the message says what of it."""


@dataclass(frozen=True)
class Expected:
    """The type that an answer's value is to have.

    Attributes
    ----------
    name
        As the user gave it, or the type's own name.
    schema
        The JSON schema; empty for a frame.
    type
        What pydantic checks and makes the value; None where there is only the schema.
    file
        Where the model saves the value.
    """

    name: str
    schema: Mapping[str, Any] = field(default_factory=dict)
    type: Any = None
    file: str = field(default_factory=new_value_file, compare=False)

    @property
    def is_frame(self) -> bool:
        """Whether the value is the table that comes back."""
        return self.name == FRAME

    @property
    def instructions_key(self) -> str:
        """What distinguishes it from other types."""
        return json.dumps([self.name, self.schema], ensure_ascii=False, sort_keys=True)

    def instructions(self, out: str | None) -> str:
        """Return what the model is told; ``out`` is the variable of ``-o``."""
        if self.is_frame:
            return instructions_for(out or "answer")
        schema = json.dumps(self.schema, ensure_ascii=False)
        return (
            "The answer to this question becomes a value of the user's notebook, of this JSON "
            f"schema: {schema}\nWork it out in Python and save it, unrounded, as JSON in "
            f'"/mnt/data/{self.file}" (json.dump of plain Python values, nothing else in the '
            "file), also when you answer in words. If the data does not hold it, save no such "
            "file and say why."
        )

    def repair(self, problem: str) -> str:
        """Return what the model is asked where the value is not there, or does not fit."""
        what = "a table" if self.is_frame else f'JSON in "/mnt/data/{self.file}"'
        return (
            f"The value did not fit: {problem}\nSave it again as {what}, as described, with its "
            "exact value, and repeat nothing of your answer."
        )

    def problem(self, files: Mapping[str, bytes]) -> str:
        """Return what does not fit of the files that came back; empty where all does."""
        try:
            self.value(files)
        except ValueMismatchError as error:
            return str(error)
        return ""

    def value(self, files: Mapping[str, bytes]) -> Any:
        """Return the value that a file holds; None for a frame, which is read elsewhere.

        Raises
        ------
        ValueMismatchError
            There is none, or it is something else.
        """
        if self.is_frame:
            from aoai_magic.results.read_table import is_table

            if not any(map(is_table, files)):
                raise ValueMismatchError(_("No table was saved."))
            return None
        found = [data for name, data in files.items() if VALUE_FILE.fullmatch(name)]
        if not found:
            raise ValueMismatchError(_("No value was saved."))
        return self._checked(found[-1])

    def _checked(self, data: bytes) -> Any:
        try:
            value = json.loads(
                data, parse_constant=_refuse, parse_float=_number, object_pairs_hook=_once
            )
        except (ValueError, RecursionError) as error:
            raise ValueMismatchError(_("It is not JSON: {reason}.").format(reason=error)) from error
        return self._of_schema(value) if self.type is None else self._of_type(data)

    def _of_type(self, data: bytes) -> Any:
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(self.type).validate_json(data, strict=True)
        except ValidationError as error:
            faults = [_fault(one["loc"], one["msg"]) for one in error.errors()[:5]]
            raise ValueMismatchError("; ".join(faults)) from error
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            # Of a validator of the user's own: on the event loop's thread it is no Ctrl-C.
            text = _("Checking it failed: {kind}: {reason}.")
            raise ValueMismatchError(
                text.format(kind=type(error).__name__, reason=error)
            ) from error

    def _of_schema(self, value: Any) -> Any:
        from jsonschema import ValidationError
        from referencing.exceptions import Unresolvable

        try:
            with bounded_depth():
                validator(self.schema).validate(value)
        except ValidationError as error:
            raise ValueMismatchError(_fault(tuple(error.absolute_path), error.message)) from error
        except Unresolvable as error:
            raise ValueMismatchError(not_found(error.ref)) from error
        except RecursionError as error:
            raise ValueMismatchError(_("It is nested too deeply.")) from error
        return value


def _fault(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, place))
    return f"{where}: {message}" if where else message


def _refuse(constant: str) -> NoReturn:
    raise ValueError(_("{constant} is not a number").format(constant=constant))


def _number(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys stand once: of two values one would be dropped."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(_("a key stands twice in one object"))
    return found


def expected(given: Any, namespace: Mapping[str, Any]) -> Expected:
    """Return the type that ``--as`` or ``as_=`` names.

    Raises
    ------
    UsageError
        It names none.
    """
    if not isinstance(given, str):
        return _of_object(given, getattr(given, "__name__", str(given)))
    if given == FRAME:
        return Expected(FRAME)
    if given in TYPES:
        return _of_type(TYPES[given], given)
    name = given.removeprefix("@")
    if given.startswith("@") or given.endswith(".json"):
        return _of_schema(_read_schema(name), Path(name).name)
    if given in namespace:
        return _of_object(namespace[given], given)
    known = ", ".join([*TYPES, FRAME])
    raise UsageError(
        _(
            "--as {name}: there is {known}, the path of a JSON schema, and the name of a variable "
            "that holds a JSON schema or a pydantic model."
        ).format(name=given, known=known)
    )


def _of_object(given: Any, name: str) -> Expected:
    if isinstance(given, Mapping):
        return _of_schema(given, name)
    if getattr(given, "__name__", "") == "DataFrame":
        return Expected(FRAME)
    return _of_type(given, name)


def _of_type(kind: Any, name: str) -> Expected:
    from pydantic import TypeAdapter

    try:
        # A value, as the answer to a question is none, is no type.
        made = TypeAdapter(kind)
        return Expected(name, made.json_schema(), kind)
    except Exception as error:  # whatever a user's class raises
        raise UsageError(
            _("--as {name}: a {kind} is not a type of a value ({reason}).").format(
                name=name, kind=type(kind).__name__, reason=str(error).split("\n")[0]
            )
        ) from error


def _of_schema(schema: Any, name: str) -> Expected:
    try:
        check_schema(schema)
    except Exception as error:  # of whatever kind, as each release of jsonschema has its own
        reason = getattr(error, "message", str(error))
        text = _("--as {name}: it is not a JSON schema ({reason}).")
        raise UsageError(text.format(name=name, reason=reason)) from error
    return Expected(name, schema)


def _read_schema(path: str) -> Any:
    try:
        return json.loads(Path(path).expanduser().read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        text = _("--as {name}: it could not be read ({reason}).")
        raise UsageError(text.format(name=path, reason=reason)) from error


Ask = Callable[["Question"], AsyncIterator[Event]]


async def with_repair(
    wanted: Expected, question: Question, ask: Ask
) -> AsyncGenerator[Event, None]:
    """Yield a turn's events; where the value does not fit, those of one more question too."""
    seen = _Seen()
    problem = ""
    async with aclosing(ask(question)) as turn:  # type: ignore[type-var]
        async for event in turn:
            if isinstance(event, Finished) and event.status == "completed":
                seen.finished, problem = event, wanted.problem(seen.files)
            if not (problem and event is seen.finished):
                yield seen.take(event)
    if problem and question.model == "offline":
        assert seen.finished
        yield seen.finished  # rules say the same again
        return
    if not problem:
        return
    yield Notice(
        _("The value did not fit, so the model was asked again: {problem}").format(problem=problem)
    )
    again = replace(
        question, prompt=wanted.repair(problem), attachments=(), documents=(), thread=seen.thread
    )
    seen.is_second = True
    async with aclosing(ask(again)) as turn:  # type: ignore[type-var]
        async for event in turn:
            if not isinstance(event, Started):
                yield seen.take(event)


@dataclass
class _Seen:
    """What the first question brought; in the events of the second, both are counted."""

    thread: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    reported: UsageReported | None = None
    finished: Finished | None = None
    is_second: bool = False

    def take(self, event: Event) -> Event:
        """Return the event as the turn has it."""
        if isinstance(event, Started):
            self.thread = event.thread
        elif isinstance(event, FileMade):
            self.files[event.name] = event.data
        elif isinstance(event, UsageReported) and self.is_second:
            return _sum(self.reported, event)
        elif isinstance(event, UsageReported):
            self.reported = event
        elif isinstance(event, Finished) and self.is_second and self.finished:
            return self.finished  # the answer stands, whatever came of the second question
        return event


def _sum(first: UsageReported | None, second: UsageReported) -> UsageReported:
    if first is None:
        return second
    costs = (first.cost, second.cost)
    return UsageReported(
        first.usage + second.usage, None if None in costs else sum(filter(None, costs))
    )
