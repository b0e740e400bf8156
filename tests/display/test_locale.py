"""Every text of the package in every language, and the right one chosen."""

from __future__ import annotations

import io
import string
import sys
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

import aoai_magic
from aoai_magic import locale
from aoai_magic.display import labels

PACKAGE = Path(aoai_magic.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "later": None, "say": None}
VARIABLES = ("AOAI_MAGIC_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
LANGUAGES = ("ja", "zh_TW")


@pytest.fixture(autouse=True)
def _no_language(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # JupyterLab's own choice, asked for once in a kernel.
    monkeypatch.setattr(locale, "_of_jupyterlab", locale._of_jupyterlab.__wrapped__)
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", "/nonexistent")


def used():
    """The messages that the package's source asks for."""
    # The engine and the sandbox speak English alone.
    sources = [("engine/**.py", "ignore"), ("sandbox/**.py", "ignore"), ("**.py", "python")]
    found = extract_from_dir(PACKAGE, sources, keywords=KEYWORDS)
    return {message if isinstance(message, str) else tuple(message) for _, _, message, *_ in found}


def read(language):
    path = locale.FOLDER / language / "LC_MESSAGES" / "aoai_magic.po"
    with path.open("rb") as file:
        return path, read_po(file, locale=language)


def fields(text):
    found = string.Formatter().parse(text)
    return sorted(f"{name}!{how or ''}:{spec}" for _, name, spec, how in found if name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_complete_and_holds_nothing_else(language):
    _, catalogue = read(language)
    assert len(used()) > 300
    assert {message.id for message in catalogue if message.id} == used()
    assert not [message.id for message in catalogue if message.id and message.fuzzy]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_the_same_things(language):
    for message in read(language)[1]:
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        written = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id:
            assert all(text.strip() for text in written)
            assert {tuple(fields(text)) for text in written} == {tuple(fields(originals[0]))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_was_compiled_from_the_source(language):
    path, catalogue = read(language)
    fresh = io.BytesIO()
    write_mo(fresh, catalogue)
    # Not byte for byte: the header says when.
    assert texts(path.with_suffix(".mo").read_bytes()) == texts(fresh.getvalue())


def texts(compiled):
    catalogue = read_mo(io.BytesIO(compiled))
    return {str(message.id): str(message.string) for message in catalogue if message.id}


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LC_ALL": "zh_TW.UTF-8", "LANG": "ja_JP.UTF-8"}, "zh_TW"),
        ({"LANG": "zh_HK.UTF-8"}, "zh_TW"),
        ({"LANG": "zh_CN.UTF-8"}, "en"),
        ({"LANGUAGE": "ja:en", "LANG": "en_GB.UTF-8"}, "ja"),
        ({"AOAI_MAGIC_LANG": "zh-Hant", "LC_ALL": "ja_JP"}, "zh_TW"),
        ({"AOAI_MAGIC_LANG": "en", "LANG": "ja_JP.UTF-8"}, "en"),
    ],
)
def test_the_first_variable_that_is_set_decides(monkeypatch, variables, language):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert locale.language() == language


@pytest.mark.parametrize(
    ("saved", "language"),
    [
        ('{\n    // Language\n    "locale": "zh_TW"\n}', "zh_TW"),
        ('{"locale": "ja-JP"}', "ja"),
        ('{\n    // "locale": "zh_TW"\n    "locale": "default"\n}', "ja"),
        ('{\n    "locale": "en"\n}', "en"),
        ("\udcff", "ja"),
    ],
)
def test_what_was_chosen_in_jupyterlab_goes_before_the_system(
    monkeypatch, tmp_path, saved, language
):
    folder = tmp_path / "@jupyterlab/translation-extension"
    folder.mkdir(parents=True)
    saved_file = folder / "plugin.jupyterlab-settings"
    saved_file.write_bytes(saved.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path))
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert locale.language() == "ja"
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert locale.language() == language
    monkeypatch.setenv("AOAI_MAGIC_LANG", "zh_TW")
    assert locale.language() == "zh_TW"


def test_texts_come_in_the_readers_language(monkeypatch):
    assert labels.duration(75) == "1 min 15 s"
    assert labels.duration(0.01) == "<0.1 s"
    monkeypatch.setenv("AOAI_MAGIC_LANG", "ja")
    assert labels.duration(75) == "1 分 15 秒"
    monkeypatch.setenv("AOAI_MAGIC_LANG", "zh_TW")
    assert labels.size(5) == "5 位元組"
