"""Cells as they stand in a saved notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from display import story

from aoai_magic.display.saved import bundles
from aoai_magic.display.saved.turn_record import FILES_TYPE, MEDIA_TYPE
from aoai_magic.turn.view import View

CELL = "totals = sales.sum()\ntotals"


def turn() -> View:
    """A turn with everything in it, as in the tests of the display."""
    return replace(story.final(story.turn()), cell=f"{CELL}\n")


def outputs(view: View) -> list[dict[str, Any]]:
    """The frozen outputs of a turn in the notebook's format."""
    return [
        {"output_type": "display_data", "data": output.data, "metadata": {}}
        for output in bundles.bundles(view)
    ]


def record(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of the turn among outputs."""
    return next(o["data"][MEDIA_TYPE] for o in outputs if MEDIA_TYPE in o.get("data", {}))


def files(outputs: list[dict[str, Any]]) -> dict[str, Any]:
    """The list of files of the turn among outputs."""
    return next(o["data"][FILES_TYPE] for o in outputs if FILES_TYPE in o.get("data", {}))


def code_cell(
    number: int, source: str, outputs: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """A code cell that was run, or not, where it has no outputs."""
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {},
        "execution_count": 1 if outputs else None,
        "outputs": outputs or [],
        "source": source,
    }


def notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    """A notebook for the kernel of these tests."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": spec},
        "cells": list(cells),
    }
