"""How to read a file that holds tables: the very call, as the reader of tables found out.

What pandas would guess (encoding, separator, header, codes with leading zeros, "NA") is
made out here once, so that the model's code reads what the user's own eyes would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aoai_magic.attach.attachment import MOUNT
from aoai_magic.attach.schema_card import clean
from aoai_magic.tables import process
from aoai_magic.tables.errors import NoTable
from aoai_magic.tables.found import Facts, Found

MOST_BYTES = 8 << 20
"""Larger files are not read whole to be described."""

_HEAD_BYTES = 1 << 20
_SHEETS = 5
_NAMES = 10
_BY_NAME = ("dtype", "na_values", "parse_dates")
"""Keywords that hold names of columns, which with ``--schema-only`` may be values."""

_READERS = {
    (".csv", ".tsv"): "read_csv",
    (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods"): "read_excel",
}


def describe(path: Path, filename: str, size: int, *, schema_only: bool) -> list[str]:
    """Return lines that say how to read a file; none for what is no CSV and no workbook.

    Raises
    ------
    OSError
        It cannot be read.
    """
    name = _reader(filename)
    whole = size <= MOST_BYTES
    if not name or not (whole or process.is_of_lines(filename)):
        return []
    with path.open("rb") as file:
        data = file.read(-1 if whole else _HEAD_BYTES)
    try:
        found = process.read(data, filename, rows=1, whole=whole)
    except NoTable:
        return []
    lines = [_call(name, filename, one, len(found) > 1, schema_only) for one in found[:_SHEETS]]
    notes = list(dict.fromkeys(note for one in found for note in _notes(one.facts, schema_only)))
    return [f"Read it with {' or '.join(lines)}.", *notes]


def _reader(filename: str) -> str:
    suffixes = [suffix.lower() for suffix in Path(filename).suffixes]
    return next((name for kinds, name in _READERS.items() if {*kinds} & {*suffixes[-2:]}), "")


def _call(name: str, filename: str, found: Found, several: bool, schema_only: bool) -> str:
    keywords: dict[str, Any] = {"sheet_name": found.facts.name} if several else {}
    keywords |= found.facts.pandas
    if schema_only:
        keywords = {key: value for key, value in keywords.items() if key not in _BY_NAME}
    words = "".join(f", {key}={_literal(value)}" for key, value in keywords.items())
    return f"pd.{name}({_literal(f'{MOUNT}/{filename}')}{words})"


def _literal(value: object) -> str:
    """Write a value of JSON as Python, text in double quotes."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return json.dumps(value, ensure_ascii=not str(value).isprintable())


def _notes(facts: Facts, schema_only: bool) -> Iterator[str]:
    """Yield what the call alone does not do, for the model."""
    if facts.guessed:
        yield f"Its encoding, {facts.encoding}, is a guess."
    if facts.uncomputed:
        yield f"{facts.uncomputed} formulas have no value: no program has computed them."
    if schema_only:
        return
    sentences = {
        "offsets": "UTC offsets change, parse with pd.to_datetime(..., utc=True)",
        "separator": "text, because a comma in it may group digits or start decimals",
    }
    for why, sentence in sentences.items():
        if names := facts.kept.get(why):
            yield f"{_listed(names)}: {sentence}."
    if facts.filled:
        yield f"{_listed(facts.filled)}: merged cells, fill down with ffill()."


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(clean(name, 60) for name in names[:_NAMES])
