"""Small things that all live views need of ipywidgets."""

from __future__ import annotations

import asyncio
from typing import Any

import ipywidgets

GRACE_SECONDS = 1.0


def html_widget(value: str = "", like: Any = None) -> Any:
    """Make a widget of HTML, with the layout and style of another if one is given.

    Layout and style are models too, with messages of their own, unless shared.
    """
    shared = {"layout": like.layout, "style": like.style} if like is not None else {}
    return ipywidgets.HTML(value, **shared)


def retire(widgets: tuple[Any, ...]) -> None:
    """Close widgets once the front end has had time to draw what takes their place."""
    # Closing a widget leaves its layout and style behind, models of their own.
    parts = [getattr(widget, name, None) for widget in widgets for name in ("layout", "style")]

    def close() -> None:
        for widget in (*widgets, *parts):
            if widget is not None:
                widget.close()

    try:
        # A kernel's loop goes on after the cell.
        asyncio.get_running_loop().call_later(GRACE_SECONDS, close)
    except RuntimeError:
        close()
