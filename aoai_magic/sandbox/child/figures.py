"""Matplotlib figures of a session: shown by `show`, or else at the end of the cell.

The capture hangs on pyplot itself and not on a backend, so that it holds when the code
selects a backend of its own.
"""

from __future__ import annotations

import functools
import io
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.formatters import DisplayFormatter

from aoai_magic.sandbox.child import chart_data, chart_style

Show = Callable[[dict[str, bytes | str]], None]


def _render(figure: Any) -> bytes:
    target = io.BytesIO()
    # Whoever shows the picture has its text alternative from there.
    metadata = {"Title": chart_data.title(figure) or None}
    figure.savefig(target, format="png", bbox_inches="tight", metadata=metadata)
    return target.getvalue()


class Figures:
    """Captures the figures that a cell leaves open.

    ``show`` gets each as a bundle, ``keep`` each that is shown in whatever way.
    """

    def __init__(
        self, formatter: DisplayFormatter, show: Show, keep: Callable[[Any], None]
    ) -> None:
        self._show = show
        self._keep = keep
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()
        self._saved: dict[Path, tuple[weakref.ref[Any], dict[str, str]]] = {}
        self._attached = False
        # By name: the class need not be imported for this.
        png = formatter.formatters["image/png"]
        png.for_type_by_name("matplotlib.figure", "Figure", self._draw)

    def _draw(self, figure: Any) -> bytes:
        self._seen.add(figure)
        self._keep(figure)
        return _render(figure)

    def attach(self) -> None:
        """Replace ``pyplot.show`` once pyplot has been imported; cheap to repeat."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None or self._attached:
            return
        self._attached = True
        chart_style.install()
        figure_type = sys.modules["matplotlib.figure"].Figure
        pyplot.show = lambda *args, **kwargs: self.flush()  # type: ignore[attr-defined]
        figure_type.show = lambda figure, *args, **kwargs: self._show_one(figure)
        figure_type.savefig = self._finishing(figure_type.savefig)
        axes_type = sys.modules["matplotlib.axes"].Axes
        axes_type.bxp = chart_data.remember_boxes(axes_type.bxp)

    def _finishing(self, savefig: Callable[..., None]) -> Callable[..., None]:
        """Make ``savefig`` draw finished charts and remember which figure a file is of."""

        @functools.wraps(savefig)
        def save(figure: Any, target: Any = None, *args: Any, **kwargs: Any) -> None:
            with chart_style.finished(figure):
                savefig(figure, *([] if target is None else [target]), *args, **kwargs)
            if isinstance(target, (str, os.PathLike)):
                kept = weakref.ref(figure), chart_data.bundle(figure)
                self._saved[Path(target).resolve()] = kept

        return save

    def was_shown(self, path: Path) -> bool:
        """Return whether a file holds a figure that has been shown."""
        kept = self._saved.get(path.resolve())
        figure = kept and kept[0]()
        return figure is not None and figure in self._seen

    def described(self, path: Path) -> dict[str, str]:
        """Return title and data of the figure in a file, as a MIME bundle."""
        return self._saved[path.resolve()][1] if path.resolve() in self._saved else {}

    def _show_one(self, figure: Any) -> None:
        self._seen.add(figure)
        self._keep(figure)
        picture = _render(figure)  # before it is described: ticks are set when it is drawn
        described = chart_data.bundle(figure)
        self._show({"image/png": picture, **described, "text/plain": repr(figure)})

    def flush(self) -> None:
        """Show every open figure that has not been shown, in order, and close them all."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        self.attach()
        try:
            for number in pyplot.get_fignums():
                figure = pyplot.figure(number)
                if figure not in self._seen and figure.get_children()[1:]:
                    self._show_one(figure)
        finally:
            pyplot.close("all")
