"""Limits are read as users write them, and what cannot be used is refused."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from aoai_magic.sandbox.host.local import open_sandbox
from aoai_magic.sandbox.limits import NAMES, PREFIX, read_limits
from aoai_magic.sandbox.protocol import Limits, SandboxError

USUAL = Limits()


def test_without_a_word_the_limits_are_the_usual_ones():
    assert read_limits(USUAL, {"HOME": "/root", PREFIX + "PRELOAD": "numpy"}) == USUAL


@pytest.mark.parametrize("name", NAMES)
def test_every_limit_can_be_set_either_way(name):
    value = 3 * getattr(USUAL, name)
    by_variable = read_limits(USUAL, {PREFIX + name.upper(): str(value)})
    by_word = read_limits(USUAL, {PREFIX + name.upper(): "9999999999"}, [f"{name}={value}"])
    assert by_variable == by_word
    changed = {key for key, now in asdict(by_word).items() if now != getattr(USUAL, key)}
    assert changed == {name}
    assert getattr(by_word, name) == value
    assert type(getattr(by_word, name)) is type(getattr(USUAL, name))


@pytest.mark.parametrize(
    "text", ["1073741824", "1G", "1 gb", "1GiB", "1024M", "1048576 kB", "1.0G"]
)
def test_sizes_may_have_units(text):
    assert read_limits(USUAL, {}, [f"memory={text}"]).memory == 1 << 30


@pytest.mark.parametrize(
    "word",
    [
        "memory=2",
        "memory=lots",
        "memory=-1G",
        "disk=1e9",
        "processes=1.5",
        "sessions=0",
        "cell_seconds=soon",
        "cell_seconds=inf",
        "speed=9",
        "nothing",
    ],
)
def test_what_cannot_be_used_is_refused(word):
    with pytest.raises(ValueError, match=word.partition("=")[0]) as caught:
        read_limits(USUAL, {}, [word])
    assert str(caught.value).endswith(".")


def test_a_misspelt_variable_is_refused():
    with pytest.raises(ValueError, match="AOAI_MAGIC_SESSION_MEMROY"):
        read_limits(USUAL, {"AOAI_MAGIC_SESSION_MEMROY": "1G"})


async def test_the_modules_to_import_can_be_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("AOAI_MAGIC_SESSION_PRELOAD", "json.tool, sqlite3 no_such_module")
    sandbox = open_sandbox("", tmp_path, USUAL)
    await sandbox.start()
    try:
        session = await sandbox.open("a")
        code = "import sys\nprint([name in sys.modules for name in ('sqlite3', 'pandas')])"
        said = [event.text async for event in session.run(code) if hasattr(event, "text")]
    finally:
        await sandbox.close()
    assert said == ["[True, False]\n"]


@pytest.mark.parametrize("names", ["numpy; import os", "a..b", "-c"])
def test_what_names_no_module_is_refused(tmp_path, monkeypatch, names):
    monkeypatch.setenv("AOAI_MAGIC_SESSION_PRELOAD", names)
    with pytest.raises(SandboxError, match="PRELOAD"):
        open_sandbox("", tmp_path, USUAL)
