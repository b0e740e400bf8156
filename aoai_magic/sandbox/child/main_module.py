"""``__main__`` for processes that multiprocessing starts anew (``spawn``, ``forkserver``).

Such a process runs the main module again, to find what is defined there. A session has no
such file: one is written, with the definitions of its cells and nothing that computes.
"""

from __future__ import annotations

import _multiprocessing  # type: ignore[import-not-found]
import ast
import errno
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import spawn
from pathlib import Path
from typing import Any, NoReturn

_DEFINITIONS = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Import,
    ast.ImportFrom,
)
_LONGEST = 1 << 20  # characters of source that are kept
# One by one: what cannot be defined there is missing, and does not keep the process from work.
_STATEMENT = """\
try:
    exec(compile({source!r}, {name!r}, "exec"))
except Exception as error:
    import sys
    print("A process lacks a definition of {name}: " + repr(error), file=sys.stderr)
"""


class MainModule:
    """The definitions that the cells of a session have made so far."""

    def __init__(self, transform: Callable[[str], str]) -> None:
        self._transform = transform
        self._statements: list[str] = []
        main = sys.modules["__main__"]
        main.__spec__ = None  # the shell has cleared it
        sys.modules["__mp_main__"] = main  # what comes back from such a process is found here
        original = spawn.get_preparation_data

        def get_preparation_data(name: str) -> dict[str, Any]:
            return {**original(name), "init_main_from_path": str(self._write())}

        spawn.get_preparation_data = get_preparation_data

    def add(self, code: str, name: str) -> None:
        """Add what a cell defines."""
        try:
            source = self._transform(code)
            statements = ast.parse(source).body
        except (SyntaxError, ValueError, RecursionError):
            return  # the cell will say so itself
        for statement in filter(_defines, statements):
            text = ast.unparse(statement)
            self._statements.append(_STATEMENT.format(source=text, name=name))
        while sum(map(len, self._statements)) > _LONGEST:
            del self._statements[0]

    def _write(self) -> Path:
        with tempfile.NamedTemporaryFile("w", suffix=".py", prefix="cells-", delete=False) as file:
            file.write("\n".join(self._statements))
        return Path(file.name)


class _NoSemaphore(_multiprocessing.SemLock):  # type: ignore[misc]
    """Says why there are no locks between processes, which pools of them need."""

    def __new__(cls, *_: object) -> NoReturn:
        text = "there is no shared memory in this session: use threads in place of processes"
        raise OSError(errno.ENOSYS, text)


def refuse_pools() -> None:
    """Raise a clear error for what fails anyway where a session has no shared memory."""
    _multiprocessing.SemLock = _NoSemaphore


def _defines(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return statement.value is not None and _is_constant(statement.value)
    return isinstance(statement, _DEFINITIONS)


def _is_constant(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
