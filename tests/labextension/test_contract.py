"""What the extension and the Python package must say alike."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from aoai_magic import __version__
from aoai_magic.attach import mentions
from aoai_magic.display.saved.turn_record import FILES_TYPE, MEDIA_TYPE
from aoai_magic.notebook.magics import NAMES, parser

SOURCES = Path(__file__).parents[2] / "labextension"


def source(name: str) -> str:
    return (SOURCES / "src" / name).read_text("utf-8")


def test_both_know_which_options_take_a_value():
    listed = re.search(r"VALUE_OPTIONS.*?= \[(.*?)\]", source("prompt.ts"), re.DOTALL)
    options = re.findall(r"'(-[^']+)'", listed[1])
    expected = [
        option
        for action in parser()._actions
        if action.option_strings and action.nargs != 0
        for option in action.option_strings
    ]
    assert sorted(options) == sorted(expected)
    many = [a.option_strings[-1] for a in parser()._actions if a.nargs == "+"]
    assert re.search(r"MANY_VALUES.*? = \[(.*?)\]", source("prompt.ts"))[1] == repr(many)[1:-1]


def test_both_know_the_names_of_the_magic_and_of_the_record():
    assert f"%%(?:{'|'.join(NAMES)})" in source("prompt.ts")
    assert f"'{MEDIA_TYPE}'" in source("record.ts")
    assert f"'{FILES_TYPE}'" in source("record.ts")


def test_mentions_are_read_alike():
    # The kernel reads on over * and ?, to name the pattern that it refuses.
    python = mentions._MENTION.pattern.replace(r"([\w~./*-][\w~./*?-]*)", r"[\w~./-]+")
    ours = re.search(r"MENTION_WORD = /(.+)/gu", source("prompt.ts"))[1]
    # Python's \w is letters, numbers and the underscore; JavaScript's is ASCII.
    assert ours.replace(r"\p{L}\p{N}_", r"\w") == python


def test_the_lock_file_names_no_host():
    lock = json.loads((SOURCES / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_the_built_extension_is_small_and_of_this_version():
    built = SOURCES.parent / "aoai_magic" / "labextension"
    if not (built / "package.json").is_file():
        pytest.skip("needs the built extension: npm ci && npm run build in labextension/")
    metadata = json.loads((built / "package.json").read_text("utf-8"))
    assert metadata["version"] == re.sub(r"^(\d+\.\d+\.\d+)\.?(?=[a-z])", r"\1-", __version__)
    scripts = b"".join(path.read_bytes() for path in (built / "static").glob("*.js"))
    assert len(gzip.compress(scripts)) < 150_000
