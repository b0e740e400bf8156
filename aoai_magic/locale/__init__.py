"""The texts that people read, in English, Japanese and Traditional Chinese.

``<language>/LC_MESSAGES/aoai_magic.po`` are the sources; the ``.mo`` beside each is
what the standard library reads. After a change of texts::

    pybabel extract -k ngettext:1,2 --no-location -o messages.pot aoai_magic
    pybabel update -D aoai_magic -i messages.pot -d aoai_magic/locale --no-fuzzy-matching
    pybabel compile -D aoai_magic -d aoai_magic/locale

A test compares texts, catalogues and compiled catalogues.
"""

from __future__ import annotations

import gettext as _gettext
import os
from functools import lru_cache
from pathlib import Path

FOLDER = Path(__file__).parent
DOMAIN = "aoai_magic"
_VARIABLES = ("AOAI_MAGIC_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_TRADITIONAL = ("zh_tw", "zh_hk", "zh_mo", "zh_hant")


def language() -> str:
    """Give the catalogue to use: ``en``, ``ja`` or ``zh_TW``.

    The first of AOAI_MAGIC_LANG, LANGUAGE, LC_ALL, LC_MESSAGES and LANG that is set
    decides; a language without a catalogue is served in English.
    """
    wish = next((value for name in _VARIABLES if (value := os.environ.get(name))), "")
    wish = wish.split(":")[0].split(".")[0].replace("-", "_").lower()
    if wish.startswith(_TRADITIONAL):
        return "zh_TW"
    return "ja" if wish.split("_")[0] == "ja" else "en"


def gettext(message: str) -> str:
    """Give ``message`` in the reader's language."""
    return _catalogue(language()).gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """Give ``one`` or ``many``, whichever ``count`` needs, in the reader's language."""
    return _catalogue(language()).ngettext(one, many, count)


@lru_cache
def _catalogue(code: str) -> _gettext.NullTranslations:
    if code == "en":
        return _gettext.NullTranslations()
    return _gettext.translation(DOMAIN, FOLDER, [code])
