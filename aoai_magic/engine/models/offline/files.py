"""Files that hold tables: read once with care, and described by what was read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aoai_magic.engine.models.offline.schema import Column, Table, counts_rows, make_column

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".feather", ".xlsx", ".xls")
_MARK = "# What is in "
_ENCODINGS, _SEPARATORS = ("", "cp932", "big5", "latin-1"), (";", "\t", "|")
_MOST_VALUES = 60
_FACTS = f"""\
    facts = {{"dtype": table.dtypes.astype(str), "nulls": table.isna().sum()}}
    facts["values"] = {{c: list(table[c].dropna().unique()[:{_MOST_VALUES}]) for c in table}}
    facts["low"], facts["high"] = table.min(numeric_only=True), table.max(numeric_only=True)
    print(name, len(table), pd.DataFrame(facts).T.to_json(date_format="iso", default_handler=str))
"""


@dataclass(frozen=True)
class Reading:
    """A way to read a file."""

    file: str
    encoding: str = ""
    separator: str = ""
    call: str = ""
    """What reads it, where a card came along that says so."""

    @property
    def is_book(self) -> bool:
        """Whether it is a workbook, with a table on each sheet."""
        return self.file.lower().endswith((".xlsx", ".xls"))

    @property
    def variable(self) -> str:
        """The variable that holds it."""
        return _variable(self.file.rpartition(".")[0])

    def expression(self, sheet: str = "None") -> str:
        """Write what reads the file."""
        path = json.dumps(f"/mnt/data/{self.file}", ensure_ascii=False)
        if self.call and self.is_book:
            return self.call.replace(path, f"{path}, sheet_name={sheet}", 1)
        if self.call:
            return self.call
        suffix = self.file.rpartition(".")[2].lower()
        if self.is_book:
            # Without its name, pandas warns that another reader will be the default.
            engine = ', engine="openpyxl"' * (suffix == "xlsx")
            return f"pd.read_excel({path}, sheet_name={sheet}{engine})"
        if suffix not in ("csv", "tsv"):
            return f"pd.read_{suffix.rstrip('l')}({path}{', lines=True' * (suffix == 'jsonl')})"
        separator = self.separator or "\t" * (suffix == "tsv")
        options = f", sep={json.dumps(separator)}" * bool(separator)
        options += ', decimal=","' * (separator == ";")
        return (
            f"pd.read_csv({path}{options}{f', encoding={self.encoding!r}' * bool(self.encoding)})"
        )

    def inspection(self) -> str:
        """Write the code that reads the file and describes each table in it."""
        name = self.variable
        tables = f"{name}.items()" if self.is_book else f"[({json.dumps(name)}, {name})]"
        lines = ["import pandas as pd", "", f"{name} = {self.expression()}"]
        lines.append(f"for name, table in {tables}:")
        return f"{_MARK}{self.file}\n" + "\n".join(lines) + "\n" + _FACTS

    def other(self, output: str) -> Reading | None:
        """Return another way to read the file; None if it was read, or there is none."""
        if self.call:
            return None
        place = _ENCODINGS.index(self.encoding) + 1
        if "UnicodeDecodeError" in output:
            return replace(self, encoding=_ENCODINGS[place]) if place < len(_ENCODINGS) else None
        tables = self.tables(output)
        if len(tables) == 1 and len(tables[0].columns) == 1 and not self.separator:
            found = [s for s in _SEPARATORS if s in tables[0].columns[0].name]
            return replace(self, separator=found[0]) if found else None
        return None

    def tables(self, output: str) -> list[Table]:
        """Read the tables that an inspection printed."""
        lines = re.findall(r"^(.+?) (\d+) (\{.*\})$", output, re.MULTILINE)
        stem = self.file.rpartition(".")[0]
        tables = []
        for name, rows, facts in lines:
            sheet = json.dumps(name, ensure_ascii=False)
            alone = not self.is_book or len(lines) == 1
            variable, label = (self.variable, stem) if alone else (_variable(name), name)
            setup = f"{variable} = {self.expression(sheet)}"
            found = _columns(json.loads(facts))
            columns = tuple(replace(c, is_key=counts_rows(c, int(rows))) for c in found)
            tables.append(Table(variable, columns, int(rows), label=label, setup=setup))
        return tables


def _variable(stem: str) -> str:
    name = re.sub(r"\W+", "_", stem).strip("_") or "table"
    return f"table_{name}" if name[0].isdigit() else name


def inspected(code: str) -> Reading | None:
    """Return how a piece of code reads a file to inspect it; None if it is no inspection."""
    if not code.startswith(_MARK):
        return None
    encoding = re.search(r", encoding='([\w-]+)'\)$", code, re.MULTILINE)
    separator = re.search(r', sep=("[^"]+")', code)
    file = code[len(_MARK) : code.index("\n")]
    read = json.loads(separator[1]) if separator and not file.endswith(".tsv") else ""
    found = Reading(file, encoding[1] if encoding else "", read)
    line = f"{found.variable} = {found.expression()}"
    if f"\n{line}\n" in code:
        return found
    # Read as a card says.
    call = re.search(rf"^{found.variable} = (.+)$", code, re.MULTILINE)
    return Reading(file, call=call[1].replace(", sheet_name=None", "", 1)) if call else found


def _columns(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Column]:
    for name, found in facts.items():
        dtype, nulls, values = str(found["dtype"]), int(found["nulls"]), found["values"]
        ends = f"{found['low']} to {found['high']}" if found["low"] is not None else ""
        made = make_column(name, dtype, ends, nulls)
        if made.kind == "text":
            texts = _texts(values)
            dated = make_column(name, dtype, ", ".join(texts), nulls)
            complete = len(values) < _MOST_VALUES
            whole = dated.kind == "date" and len(texts) == len(values)
            made = dated if whole else replace(made, values=tuple(texts), complete=complete)
        yield made


def _texts(values: Sequence[Any]) -> list[str]:
    return [value for value in values or () if isinstance(value, str)]
