"""Fonts of charts: Chinese, Japanese and Korean text is drawn with no code by the user."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

from aoai_magic.sandbox.isolation.root_fs import software

CJK = "cjk-fonts"
"""What `protocol.Isolation` calls fonts with Chinese, Japanese and Korean characters."""

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
_MISSING = re.compile(r"Glyph \d+ .* missing from")
_MISSING_NOTE = (
    "Some characters are in no font that is installed here and show as boxes in charts; for "
    "Chinese, Japanese and Korean, %assistant doctor says what to install."
)
_COMPLETE = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK KR")
_INSTALLED = (
    *_COMPLETE,
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "VL Gothic",
    "Noto Sans CJK HK",
    "NanumGothic",
    "UnDotum",
    "Baekmuk Dotum",
    "AR PL UMing CN",
    "AR PL UKai CN",
)
# What code written for other systems asks for; drawn with what there is here.
_ALIASES = (
    "SimHei",
    "SimSun",
    "Microsoft YaHei",
    "Microsoft JhengHei",
    "PingFang SC",
    "PingFang TC",
    "PingFang HK",
    "Heiti SC",
    "Heiti TC",
    "STHeiti",
    "Arial Unicode MS",
    "MS Gothic",
    "MS PGothic",
    "Meiryo",
    "Yu Gothic",
    "YuGothic",
    "Hiragino Sans",
    "Hiragino Maru Gothic Pro",
    "Hiragino Kaku Gothic Pro",
    "Malgun Gothic",
    "AppleGothic",
    "Apple SD Gothic Neo",
    "NanumGothic",
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "Noto Sans SC",
    "Noto Sans TC",
    "Noto Sans KR",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "TakaoPGothic",
)


def _in_sight(manager: Any) -> None:
    """Forget fonts that a session cannot open, such as those in the user's home."""
    visible = tuple(path + os.sep for path in software())
    manager.ttflist = [
        font for font in manager.ttflist if os.path.realpath(font.fname).startswith(visible)
    ]


def _from_package(manager: Any) -> None:
    """Add the fonts that the package matplotlib-fontja carries, without its settings."""
    package = importlib.util.find_spec("matplotlib_fontja")
    for folder in (package and package.submodule_search_locations) or []:
        for font in Path(folder).rglob("*.ttf"):
            manager.addfont(font)


def _alias(manager: Any, families: list[str]) -> None:
    names = {font.name for font in manager.ttflist}
    regular = next(font for font in manager.ttflist if font.name == families[0])
    for alias in _ALIASES:
        if alias not in names:
            manager.ttflist.append(dataclasses.replace(regular, name=alias))


def _fall_back(families: list[str]) -> None:
    """Append the families to every font property, whatever a style or a call has set.

    Matplotlib falls back glyph by glyph along this list. It hangs on the property and not
    on ``rcParams``, since style sheets and libraries replace those.
    """
    from matplotlib.font_manager import FontProperties

    original = FontProperties.get_family

    def get_family(self: Any) -> list[str]:
        own = list(original(self))
        return own + [family for family in families if family not in own]

    FontProperties.get_family = get_family  # type: ignore[method-assign]


def forget_old_list() -> None:
    """Delete matplotlib's list of fonts, before it is imported, if fonts came or went since.

    A list that is there is never compared with the machine. What changes a folder sets its
    change time, which, unlike that of modification, no package manager writes.
    """
    folder = Path(os.environ["MPLCONFIGDIR"])
    stamp = folder / "font-folders.json"
    with contextlib.suppress(OSError):  # then charts have the fonts that they had
        now = json.dumps(_folders())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stamp.exists() or stamp.read_text("utf-8") != now:
            for old in folder.glob("fontlist-*.json"):
                old.unlink(missing_ok=True)
            stamp.write_text(now, "utf-8")


def _folders() -> dict[str, int]:
    """Return the folders of fonts, and when each changed, in nanoseconds since 1970."""
    found = (folder for top in _FOLDERS for folder, _below, _files in os.walk(top))
    return {folder: Path(folder).stat().st_ctime_ns for folder in sorted(found)}


def _warn_once() -> None:
    """Warn once in a session that glyphs are missing, rather than for each of them."""
    show, said = warnings.showwarning, False

    def showwarning(message: Any, *rest: Any, **options: Any) -> None:
        nonlocal said
        if not _MISSING.match(str(message)):
            show(message, *rest, **options)
        elif not said:
            said = True
            print(_MISSING_NOTE, file=sys.stderr)  # noqa: T201 - of the cell

    warnings.showwarning = showwarning


def install() -> bool:
    """Make matplotlib, already imported, draw CJK text; return whether a font has it."""
    _warn_once()
    from matplotlib import font_manager

    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    manager = font_manager.fontManager
    _in_sight(manager)
    names = {font.name for font in manager.ttflist}
    families = [name for name in _INSTALLED if name in names]
    if not families:
        _from_package(manager)
        names = {font.name for font in manager.ttflist}
        families = [name for name in _INSTALLED if name in names]
    if families:
        _alias(manager, families)
        _fall_back(families[:3])
    return bool(families)
