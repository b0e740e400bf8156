"""The texts that people read, in English, Japanese and Traditional Chinese.

``<language>/LC_MESSAGES/aoai_magic.po`` are the sources; the ``.mo`` beside each is
what the standard library reads. After a change of texts::

    pybabel extract -k ngettext:1,2 -k later -k say --no-location -o messages.pot aoai_magic
    pybabel update -D aoai_magic -i messages.pot -d aoai_magic/locale --no-fuzzy-matching
    pybabel compile -D aoai_magic -d aoai_magic/locale

A test compares texts, catalogues and compiled catalogues.
"""

from __future__ import annotations

import gettext as _gettext
import os
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
DOMAIN = "aoai_magic"

Say = Callable[[str], str]
"""Gives a text in the language of who reads it: `gettext` for users, `str` for models."""

_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_LAB_FILE = "@jupyterlab/translation-extension/plugin.jupyterlab-settings"
# Not in a comment, of which that file has many.
_LAB_SETTING = re.compile(r'^[\s{]*"locale"\s*:\s*"([\w-]+)"', re.MULTILINE)
_TRADITIONAL = ("zh_tw", "zh_hk", "zh_mo", "zh_hant")


def language() -> str:
    """Return the catalogue to use: ``en``, ``ja`` or ``zh_TW``.

    AOAI_MAGIC_LANG decides; else, in a kernel, the language that JupyterLab is set to;
    else the first of LANGUAGE, LC_ALL, LC_MESSAGES and LANG that is set. A language
    without a catalogue is served in English.
    """
    system = next((value for name in _VARIABLES if (value := os.environ.get(name))), "")
    wish = os.environ.get("AOAI_MAGIC_LANG") or _of_jupyterlab() or system
    wish = wish.split(":")[0].split(".")[0].replace("-", "_").lower()
    if wish.startswith(_TRADITIONAL):
        return "zh_TW"
    return "ja" if wish.split("_")[0] == "ja" else "en"


@lru_cache(maxsize=1)
def _of_jupyterlab() -> str:
    """Return what the user chose in JupyterLab's menu, which no kernel is told."""
    if "ipykernel" not in sys.modules:
        return ""
    from jupyter_core.paths import jupyter_config_dir

    folder = os.environ.get("JUPYTERLAB_SETTINGS_DIR")
    settings = Path(folder) if folder else Path(jupyter_config_dir(), "lab", "user-settings")
    try:
        text = (settings / _LAB_FILE).read_text("utf-8")
    except (OSError, ValueError):
        return ""
    chosen = _LAB_SETTING.search(text)
    # "default" is JupyterLab's word for the system's language.
    return chosen[1] if chosen and chosen[1] != "default" else ""


def gettext(message: str) -> str:
    """Return ``message`` in the reader's language."""
    # Of nothing, a catalogue gives its own header.
    return _catalogue(language()).gettext(message) if message else ""


def ngettext(one: str, many: str, count: int) -> str:
    """Return ``one`` or ``many``, whichever ``count`` needs, in the reader's language."""
    return _catalogue(language()).ngettext(one, many, count)


def later(message: str) -> str:
    """Return ``message`` as it is, for `gettext` when it is shown: the language may change."""
    return message


@lru_cache
def _catalogue(code: str) -> _gettext.NullTranslations:
    if code == "en":
        return _gettext.NullTranslations()
    return _gettext.translation(DOMAIN, FOLDER, [code])
