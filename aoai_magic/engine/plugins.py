"""Registry: SPECs to models and sandboxes, through entry points.

A SPEC is the name of an entry point and, after a colon, an argument that only the entry
point understands: ``openai:gpt-6-luna``, ``scripted:turns.yaml``, ``local``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from aoai_magic.engine.models.base import Model
from aoai_magic.engine.search.embedding import Embedder
from aoai_magic.sandbox.protocol import Limits, Sandbox

MODELS = "aoai_magic.models.v1"
SANDBOXES = "aoai_magic.sandboxes.v1"


class SpecError(ValueError):
    """A SPEC names nothing that is installed; the text is one sentence for the user."""


def open_model(spec: str, folder: Path | None = None) -> Model:
    """Open the model that ``spec`` names.

    A model with a method ``remember_in(folder)`` keeps there what it learns of its server.

    Raises
    ------
    SpecError
        When no such entry point is installed; lists those that are.
    ModelError
        When the model cannot be opened.
    """
    opener, argument = _resolve(MODELS, "model", spec)
    model = cast("Model", opener(argument))
    remember = getattr(model, "remember_in", None)
    if folder is not None and remember is not None:
        remember(folder)
    return model


def open_embeddings(spec: str) -> Embedder:
    """Open the model that makes embeddings, which is named as any model.

    Raises
    ------
    SpecError
        When no such entry point is installed, or its models make no embeddings.
    ModelError
        When the model cannot be opened.
    """
    model = open_model(spec)
    if not hasattr(model, "embed"):
        raise SpecError(
            f"{spec} makes no embeddings; use azure:DEPLOYMENT, openai:MODEL, ollama:MODEL or "
            "gguf:PATH."
        )
    return cast("Embedder", model)


def open_sandbox(spec: str, folder: Path, limits: Limits) -> Sandbox:
    """Open the sandbox that ``spec`` names; session folders are kept under ``folder``.

    Raises
    ------
    SpecError
        When no such entry point is installed; lists those that are.
    SandboxError
        When the sandbox cannot be opened.
    """
    opener, argument = _resolve(SANDBOXES, "sandbox", spec)
    return cast("Sandbox", opener(argument, folder, limits))


def is_model_spec(text: str) -> bool:
    """Return whether ``text`` names an installed model rather than a service's model."""
    name = text.partition(":")[0]
    return any(point.name == name for point in entry_points(group=MODELS))


def _resolve(group: str, noun: str, spec: str) -> tuple[Callable[..., Any], str]:
    name, _, argument = spec.partition(":")
    points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise SpecError(f"There is no {noun} called {name!r}; installed are: {known}.")
    return points[name].load(), argument
