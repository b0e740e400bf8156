"""A notebook in small: the offline model on one side, a Python process on the other.

The process stands for the sandbox: it runs the model's code with ``/mnt/data`` rewritten
to a folder of the test, and gives back what was printed and the figures that were drawn.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from aoai_magic.engine.models.base import Finish, Request, Text, ToolCall, Usage
from aoai_magic.engine.models.offline import open_model

WORKER = r"""
import contextlib, io, json, sys, traceback, warnings
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
import pandas

missing = set()

# Lets modules be missing, whoever imports them; those imported before are put aside.
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name.partition('.')[0]!r}")

sys.meta_path.insert(0, Missing)

spaces = {}
for line in sys.stdin:
    job = json.loads(line)
    space = spaces.setdefault(job["session"], {})
    for name, path in job["variables"].items():
        if name not in space:
            space[name] = pandas.read_pickle(path)
    missing.clear()
    missing.update(job["missing"])
    out = io.StringIO()
    # Warnings of the code that the model writes fail it: users would see them.
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("error")
        for module in ("importlib", "sympy", "mpmath", "dateutil"):
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=module)
        # Charts of the session find a font by themselves; here there may be none.
        warnings.filterwarnings("ignore", message="Glyph")
        # numpy 1.24 says so inside pandas' own to_csv of a column with gaps.
        warnings.filterwarnings("ignore", message="invalid value encountered in cast")
        aside = [name for name in sys.modules if name.partition(".")[0] in missing]
        aside = {name: sys.modules.pop(name) for name in aside}
        try:
            exec(compile(job["code"], "cell", "exec"), space)
        except Exception:
            out.write(traceback.format_exc())
        finally:
            sys.modules.update(aside)
    figures = []
    if "matplotlib" not in missing:
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.canvas.draw()
            titles = [ax.get_title() for ax in figure.axes] + [t.get_text() for t in figure.texts]
            figures.append([title for title in titles if title])
        plt.close("all")
    print(json.dumps({"output": out.getvalue(), "figures": figures}), flush=True)
"""

PYTHON_TOOL = {
    "type": "function",
    "function": {"name": "python", "description": "", "parameters": {"type": "object"}},
}


class Worker:
    """The process; one serves many notebooks."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER], stdin=-1, stdout=-1, text=True, encoding="utf-8"
        )

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Turn:
    text: str = ""
    codes: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    figures: list[list[str]] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)

    @property
    def looks(self) -> int:
        return sum("Look at what is there" in code for code in self.codes)


class Notebook:
    """One thread over one folder."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self.folder = folder / "mnt"
        self.folder.mkdir()
        self.missing: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self._kept = folder
        self._worker = worker
        self._variables: dict[str, str] = {}
        self._generation = 0
        self._model = open_model("")

    def attach(self, **frames: Any) -> None:
        """Offer frames as the session does: as files and as variables."""
        for name, frame in frames.items():
            path = self._kept / f"{name}.pickle"
            pd.to_pickle(frame, path)
            self._variables[name] = str(path)
            (self.folder / f"{name}.arrow").write_bytes(b"parcel" * len(frame))

    def forget(self) -> None:
        """Let the session's variables be lost."""
        self._variables.clear()
        self._generation += 1

    def file(self, name: str, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        (self.folder / name).write_bytes(data)

    async def ask(
        self, prompt: str, tools: bool = True, given: Sequence[str] = (), **request: Any
    ) -> Turn:
        cards = [f"`{name}`: pandas.DataFrame, 4 rows × 2 columns." for name in given]
        parts = [{"type": "text", "text": text} for text in (prompt, *cards)]
        self.messages.append({"role": "user", "content": parts if cards else prompt})
        turn = Turn()
        for _ in range(20):
            offered = [PYTHON_TOOL] if tools else []
            chunks = [
                chunk
                async for chunk in self._model.stream(
                    Request([self._system(), *self.messages], offered, **request)
                )
            ]
            turn.usages += [chunk for chunk in chunks if isinstance(chunk, Usage)]
            if chunks[-1] == Finish("stop"):
                turn.text = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
                self.messages.append({"role": "assistant", "content": turn.text})
                return turn
            self._run(turn, [chunk for chunk in chunks if isinstance(chunk, ToolCall)])
        raise AssertionError(f"the turn has no end: {turn.outputs[-1]}")

    def _run(self, turn: Turn, pieces: list[ToolCall]) -> None:
        arguments = "".join(piece.arguments for piece in pieces)
        code = json.loads(arguments)["code"]
        done = self._worker.run(
            {
                "session": f"{self.folder} {self._generation}",
                "code": code.replace("/mnt/data", str(self.folder)),
                "variables": self._variables,
                "missing": self.missing,
            }
        )
        turn.codes.append(code)
        turn.outputs.append(done["output"])
        turn.figures += done["figures"]
        call = {
            "id": pieces[0].id,
            "type": "function",
            "function": {"name": pieces[0].name, "arguments": arguments},
        }
        self.messages += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": pieces[0].id, "content": done["output"]},
        ]

    def _system(self) -> dict[str, str]:
        lines = ["Files in /mnt/data:"]
        for path in sorted(self.folder.iterdir()):
            loaded = ""
            if path.stem in self._variables:
                loaded = f", also there as the variable `{path.stem}` (pandas.DataFrame)"
            lines.append(f"- {path.name!r} ({path.stat().st_size} bytes){loaded}")
        return {"role": "system", "content": "\n".join(lines)}
