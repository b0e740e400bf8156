"""A notebook in small: the offline model on one side, plain Python on the other.

The cards are those that the notebook side writes; code runs here with ``/mnt/data``
rewritten to a folder of the test. The real sandbox has tests of its own (`test_turns`).
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import traceback
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from aoai_magic.attach import frames
from aoai_magic.engine.models.base import Request
from aoai_magic.engine.models.offline.model import next_step

mpl.use("agg")

PYTHON_TOOL = {
    "type": "function",
    "function": {"name": "python", "description": "", "parameters": {"type": "object"}},
}
MOST_STEPS = 8


class Notebook:
    """One thread over some tables and one folder."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.folder = folder
        self.messages: list[dict[str, Any]] = []
        self.tables: dict[str, Any] = {}
        self.space: dict[str, Any] = {}
        self.codes: list[str] = []
        self.titles: list[str] = []
        self._new: list[str] = []
        self.attach(**tables)

    def attach(self, **tables: Any) -> None:
        """Hand tables over with the next question."""
        self.tables |= tables
        self.space |= tables
        self._new += tables

    def ask(self, prompt: str, *given: str, tools: bool = True, **request: Any) -> str:
        """Return the answer; the tables that are new, or named here, come with the question."""
        named = list(dict.fromkeys([*given, *self._new]))
        self._new.clear()
        parts = [{"type": "text", "text": text} for text in (prompt, *map(self._card, named))]
        self.messages.append({"role": "user", "content": parts})
        self.codes, self.titles = [], []
        for _ in range(MOST_STEPS):
            offered = [PYTHON_TOOL] if tools else []
            step = next_step(Request([self._system(), *self.messages], offered, **request))
            if step.kind == "answer":
                self.messages.append({"role": "assistant", "content": step.text})
                return step.text
            self._run(step.text)
        raise AssertionError(f"the turn has no end: {self.codes[-1]}")

    def _card(self, name: str) -> str:
        value, file = self.tables[name], f"{name}.arrow"
        return frames.attach(
            name, value, file, rows=None, schema_only=False, folder=self.folder
        ).card

    def _run(self, code: str) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")
            try:
                exec(
                    compile(code.replace("/mnt/data", str(self.folder)), "cell", "exec"), self.space
                )
            except Exception:
                out.write(traceback.format_exc())
        for number in plt.get_fignums():
            self.titles += [axes.get_title() for axes in plt.figure(number).axes]
        plt.close("all")
        self.codes.append(code)
        function = {"name": "python", "arguments": json.dumps({"code": code})}
        call = {"id": f"call_{len(self.messages)}", "type": "function", "function": function}
        self.messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": out.getvalue()},
        ]

    def _system(self) -> dict[str, str]:
        lines = ["Variables:"]
        for name, value in self.tables.items():
            kind = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
            lines.append(f"- `{name}` ({kind}, {len(value)} rows, 1 columns)")
        lines.append("Files in /mnt/data:")
        sizes = {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}
        lines += [f"- {name!r} ({size} bytes)" for name, size in sizes.items()]
        return {"role": "system", "content": "\n".join(lines)}


def is_refusal(text: str) -> bool:
    """Whether an answer is a refusal: one line, which says how to get a model."""
    return "OPENAI_API_KEY" in text.split("\n")[0]


def number(value: float) -> str:
    """Write a number as answers do."""
    if value != value:
        return "–"
    if value and abs(value) < 1:
        return f"{value:.4g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(value: float) -> str:
    """Write a share as answers do."""
    return f"{value * 100:,.1f}%"


def table(text: str) -> dict[tuple[str, ...], str]:
    """Read the table of an answer: its last column by the others."""
    lines = [line.strip("|").split("|") for line in text.split("\n") if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines[2:]]
    return {tuple(row[:-1]): row[-1] for row in rows}


def bold(text: str) -> list[str]:
    """Return what stands out in an answer."""
    return re.findall(r"\*\*(.+?)\*\*", text)


def lines_of(code: str) -> list[str]:
    """Return the lines of code that are not empty."""
    return [line for line in code.split("\n") if line.strip()]
