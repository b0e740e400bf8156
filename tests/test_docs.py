"""What the documentation says is complete: variables, links between pages, generated pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from aoai_magic.config.settings import NAMES as SETTINGS
from aoai_magic.notebook.line_commands import COMMANDS
from aoai_magic.notebook.magics import parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_environment_variable_is_described():
    sources = [path.read_text("utf-8") for path in (ROOT / "aoai_magic").rglob("*.py")]
    used = set(re.findall(r"AOAI_MAGIC_[A-Z_]*[A-Z]\b", "\n".join(sources)))
    described = set(re.findall(r"AOAI_MAGIC_\w+", (DOCS / "reference/environment.md").read_text()))
    settings = {f"AOAI_MAGIC_{name.upper()}" for name in SETTINGS}
    placeholders = {"AOAI_MAGIC_NAME", "AOAI_MAGIC_SESSION_NAME"}
    assert used - described - settings - placeholders == set()


def test_the_generated_pages_name_every_option_command_and_setting(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.delitem(sys.modules, "generate", raising=False)
    import generate

    options = generate.options()
    longest = [action.option_strings[-1] for action in parser()._actions if action.option_strings]
    assert [name for name in longest if name not in ("--help", "-h") and name not in options] == []
    assert [name for name in COMMANDS if f"%assistant {name}`" not in generate.commands()] == []
    assert [name for name in SETTINGS if f"`{name}`" not in generate.settings()] == []
    assert "/engine/sessions" in generate.engine()
