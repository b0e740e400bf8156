"""The catalogues of the extension: complete, and where JupyterLab finds them."""

from __future__ import annotations

import json
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "labextension"
LOCALE = ROOT / "aoai_magic" / "locale"
LANGUAGES = ("ja_JP", "zh_TW")
# trans.__('…') and trans._n('…', '…', …)
CALL = re.compile(r"trans\s*\.\s*(__|_n)\(\s*'((?:[^'\\]|\\.)*)'")


def texts() -> dict[str, bool]:
    """Every text of the extension that a user may read, and whether it has a plural."""
    found = {}
    for path in (SOURCES / "src").glob("*.ts"):
        for function, text in CALL.findall(path.read_text("utf-8")):
            found[text] = function == "_n"
    schema = json.loads((SOURCES / "schema/plugin.json").read_text("utf-8"))
    for described in (schema, *schema["properties"].values()):
        found |= {described["title"]: False, described["description"]: False}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_other(language):
    path = LOCALE / language / "LC_MESSAGES" / "aoai_magic.json"
    catalogue = json.loads(path.read_text("utf-8"))
    header = catalogue.pop("")
    # With an underscore JupyterLab would stay with English.
    assert header["language"] == language.replace("_", "-")
    assert set(catalogue) == set(texts())
    for text, has_plural in texts().items():
        # JupyterLab takes a text with a plural only from a list of two.
        translation, *rest = catalogue[text]
        assert rest == ([""] if has_plural else []), text
        assert placeholders(translation) == placeholders(text), text


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\d|%%\w+", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_jupyterlab_serves_the_catalogue(language):
    utils = pytest.importorskip("jupyterlab_server.translation_utils", reason="needs JupyterLab")
    pytest.importorskip(f"jupyterlab_language_pack_{language}", reason="needs the language pack")
    if not entry_points(group="jupyterlab.locale", name="aoai_magic"):
        pytest.skip("needs the package installed with its entry points")
    served, problem = utils.get_language_pack(language)
    assert problem == ""
    assert served["aoai_magic"]["Continue"] == {"ja_JP": ["続ける"], "zh_TW": ["繼續"]}[language]
