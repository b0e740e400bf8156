"""Fonts of charts: Chinese, Japanese and Korean text is drawn with no code by the user."""

from __future__ import annotations

import dataclasses
import importlib.util
import logging
import os
from pathlib import Path
from typing import Any

from aoai_magic.sandbox.isolation.root_fs import software

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


def install() -> None:
    """Teach matplotlib, already imported, to draw CJK text."""
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
