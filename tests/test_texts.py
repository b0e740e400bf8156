"""Nothing that users read on the notebook's side is said in English alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import aoai_magic
from aoai_magic.notebook.line_commands import COMMANDS, HELP
from aoai_magic.runner import gaps
from aoai_magic.sandbox.host import levels

PACKAGE = Path(aoai_magic.__file__).parent
MODULES = sorted(
    path
    for pattern in ("*.py", "attach/*.py", "backends/*.py", "display/*.py", "parcel/*.py")
    for path in PACKAGE.glob(pattern)
)

TRANSLATES = ("_", "gettext", "ngettext", "later", "say")
ERRORS = (
    "AssistantError",
    "UsageError",
    "AttachError",
    "SettingsError",
    "EngineError",
    "ServiceError",
    "TurnError",
    "TurnInterrupted",
)
TEXTS = {
    **dict.fromkeys(ERRORS, 0),
    "Notice": 0,
    "Progress": 0,
    "Finished": 1,
    "Finding": 1,
    "begin": 0,
}
"""Who takes a text for the user, and at which place among its arguments."""

SPEAKING = (
    "runner/budget.py",
    "notebook/line_commands.py",
    "cli/demo.py",
    "runner/diagnostics.py",
    "runner/remote_resources.py",
    "runner/list_models.py",
    "runner/options.py",
    "runner/dry_run.py",
    "runner/interpolation.py",
    "runner/recordings.py",
    "runner/save_files.py",
    "config/settings.py",
    "attach/nested_frames.py",
    "backends/__init__.py",
    "backends/responses_api/limits.py",
    "backends/retry.py",
    "display/labels.py",
)
"""Modules whose every phrase is for the user."""

SPEAKING_PATHS = {PACKAGE / name for name in SPEAKING}

_WORD = re.compile(r"[A-Za-z]{2}")
_PHRASE = re.compile(r"[A-Za-z]{2,},? [a-z(]")

EXEMPT = {
    # What `aoai-magic serve` says stays English, as all of the engine's side does.
    ("main.py", "The token file "),
    ("main.py", " cannot be read ("),
    ("main.py", " is empty; write the token into it."),
    ("main.py", "AOAI_MAGIC_UPLOAD_BYTES is "),
    ("main.py", ", but must be a number of bytes."),
    # A part's id, a command line, and types.
    ("view.py", "notice-"),
    ("demo.py", " -m pip install "),
    ("line_commands.py", "str | None"),
    ("list_models.py", "Endpoint | Service"),
}


def _literals(node: ast.AST) -> Iterator[ast.Constant]:
    """Return the texts of an expression that no translation takes."""
    if isinstance(node, ast.Call) and _name(node) in TRANSLATES:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _literals(child)


def _name(call: ast.Call) -> str:
    function = call.func
    return getattr(function, "id", None) or getattr(function, "attr", "")


class _Module:
    """A module's functions, and what its expressions may be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))
        nodes = list(ast.walk(self.tree))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        self.functions = {node.name: node for node in nodes if isinstance(node, kinds)}

    def told(self) -> Iterator[tuple[ast.Call, ast.expr, ast.AST]]:
        """Return each call that takes a text, the text, and the function in which it is."""
        for scope in (self.tree, *self.functions.values()):
            for call in ast.walk(scope):
                if not isinstance(call, ast.Call) or (place := TEXTS.get(_name(call))) is None:
                    continue
                given = [one.value for one in call.keywords if one.arg in ("text", "error", "what")]
                yield from ((call, text, scope) for text in (*call.args[place : place + 1], *given))

    def meant(self, text: ast.expr, scope: ast.AST) -> list[ast.AST]:
        """Return a text, what was assigned to it where it is a name, or a function returns."""
        if isinstance(text, ast.Name):
            bound = [one for one in ast.walk(scope) if isinstance(one, ast.Assign)]
            return [one.value for one in bound if text.id in map(ast.unparse, one.targets)]
        if isinstance(text, ast.Call) and (function := self.functions.get(_name(text))):
            returned = [one.value for one in ast.walk(function) if isinstance(one, ast.Return)]
            return [one for one in returned if one]
        return [text]

    def untranslated(self) -> set[str]:
        """Return the words of texts for the user that would be English in every language."""
        found = {
            literal.value
            for _, text, scope in self.told()
            for meant in self.meant(text, scope)
            for literal in _said(meant)
            if _WORD.search(literal.value)
        }
        if self.path in SPEAKING_PATHS:
            phrases = _literals(_undocumented(self.tree))
            found |= {one.value for one in phrases if _PHRASE.search(one.value)}
        return {text for text in found if (self.path.name, text) not in EXEMPT}


def _said(meant: ast.AST) -> Iterator[ast.Constant]:
    """Return the literals that are said, and not looked up, joined by or handed on."""
    if isinstance(meant, ast.Constant):
        yield from _literals(meant)
    elif isinstance(meant, ast.Call) and _name(meant) == "format":
        yield from _said(meant.func)
    elif isinstance(meant, (ast.JoinedStr, ast.BinOp, ast.BoolOp, ast.FormattedValue)):
        for part in ast.iter_child_nodes(meant):
            yield from _said(part)
    elif isinstance(meant, (ast.IfExp, ast.Attribute)):
        for part in (getattr(meant, name, None) for name in ("body", "orelse", "value")):
            yield from _said(part) if part else ()


def _undocumented(tree: ast.Module) -> ast.Module:
    """Remove every text that is a statement of its own: docstrings."""

    class Without(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
            is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
            return None if is_text else self.generic_visit(node)

    return Without().visit(ast.parse(ast.unparse(tree)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_text_for_users_is_translated(path):
    assert _Module(path).untranslated() == set()


def test_the_texts_are_found(tmp_path):
    (tmp_path / "a.py").write_text(
        'def f(n):\n    raise UsageError(f"No file {n!r}.")\n'
        'def g():\n    text = "it is late" if n else _("fine")\n    yield events.Notice(text)\n'
        'def h():\n    return "not so " + _("x")\n'
        'def i():\n    yield Finished("failed", h())\n'
        'def j():\n    raise UsageError(_("{n} is wrong").format(n=", ".join(n)))\n'
    )
    found = _Module(tmp_path / "a.py").untranslated()
    assert found == {"No file ", "it is late", "not so "}


def test_every_command_has_its_line_of_help():
    said = {name: (command.__doc__ or "").splitlines()[0] for name, command in COMMANDS.items()}
    assert said == HELP


def test_what_our_sandbox_does_not_cover_is_known_in_every_language(monkeypatch):
    ours = {text for name, text in vars(levels).items() if name.endswith(("_GAP", "_NO_PROC"))}
    assert ours == set(gaps.KNOWN)
    monkeypatch.setenv("AOAI_MAGIC_LANG", "ja")
    said = gaps.gaps({"gaps": [*ours, "Something new.", ""]})
    assert not ours & set(said)
    assert said[-2:] == ["Something new.", ""]
