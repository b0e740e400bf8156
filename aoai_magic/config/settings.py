"""One resolved, frozen settings object that knows where each of its values came from.

Strongest first: magic option, ``%config AssistantMagics.name``, environment variable
``AOAI_MAGIC_NAME``, traitlets configuration file, the front end's own settings, default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from aoai_magic.errors import SettingsError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.shared.isolation_here import isolates
from aoai_magic.shared.network import hide_credentials, without_credentials

SERVICES = ("azure", "openai")
"""Targets where model and interpreter are a service's."""
EMBEDDED = ("local", "container")
"""Targets whose engine a kernel starts for itself."""
DISPLAYS = ("auto", "live", "frozen", "terminal", "quiet", "verbose")
RECORDINGS_MODES = ("auto", "record", "replay")
"""Play what is there and record the rest; record all anew; play, and ask nobody."""
_WORDS = {"display": DISPLAYS, "recordings_mode": RECORDINGS_MODES}
_SWITCHED = ("confirm_upload", "start_early", "attach_named", "guide", "suggest_questions")
_SWITCHES = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_AMOUNTS: Mapping[str, tuple[type[float], str]] = {
    "timeout": (float, later("seconds")),
    "max_tokens": (int, later("tokens")),
    "max_cost": (float, later("US dollars")),
    "keep_days": (int, later("days")),
    "keep_mb": (int, later("megabytes")),
}
OPTION, CONFIG, ENVIRONMENT, FILE, FRONT_END, DEFAULT = (
    later("magic option"),
    "%config",
    later("environment"),
    later("configuration file"),
    "JupyterLab",
    later("default"),
)
"""Sources of settings; who shows one translates it."""


@dataclass(frozen=True)
class Settings:
    """The current values for a turn.

    Attributes
    ----------
    target
        One of `EMBEDDED` or `SERVICES`, or an engine's URL; empty: see `resolve_target`.
    model
        Model SPEC for an embedded engine, deployment or model name elsewhere; empty: the default.
    sandbox
        Sandbox SPEC of the local engine.
    embeddings
        SPEC of the model with which the local engine's file search compares meanings; empty:
        words alone.
    effort
        How much a reasoning model reasons, as its server names it; empty: its own default.
    instructions
        What the model is told at the start of every turn.
    timeout
        Seconds that a turn may take; 0 is no limit.
    max_tokens, max_cost
        What a turn may take before it is stopped: tokens, US dollars; 0 is no limit.
    save
        Folder to which what comes back is written, beside the notebook; empty: nowhere.
    display
        How turns are shown, one of `DISPLAYS`.
    confirm_upload
        Whether to ask before attached data leaves this machine.
    attach_named
        Whether a DataFrame whose name stands in the question is attached.
    guide
        Whether ``assistant.md`` or ``AGENTS.md`` in the working folder is sent along.
    suggest_questions
        Whether the model may offer questions to be asked next.
    mcp_allow
        Tools of MCP servers that the model may call without asking the user: names of servers, or
        ``SERVER.TOOL``, with commas.
    recordings, recordings_mode
        Folder in which turns are recorded, empty for none, and what is done with them: one
        of `RECORDINGS_MODES`.
    keep_days, keep_mb
        After how many days without use the local engine's threads and files are deleted, and
        how many megabytes of its files are kept at most, the newest; 0 is no limit.
    start_early
        Whether the local engine starts once the kernel is idle after ``%load_ext``, rather than
        at the first question.
    container_program, container_image
        The command line program that runs the engine's container, and the image; empty: Docker
        or Podman, whichever works, and the image of this version.
    home
        The data directory: engine's store, logs, the list of uploads; empty: platformdirs.
    sources
        Name of each setting to the source that won.
    """

    target: str = field(default="", repr=False)
    model: str = field(default="", repr=False)
    sandbox: str = "local"
    embeddings: str = field(default="", repr=False)
    instructions: str = ""
    timeout: float = 600.0
    max_tokens: int = 0
    max_cost: float = 0.0
    effort: str = ""
    save: str = ""
    display: str = "auto"
    confirm_upload: bool = False
    attach_named: bool = True
    guide: bool = True
    suggest_questions: bool = True
    mcp_allow: str = ""
    recordings: str = ""
    recordings_mode: str = "auto"
    keep_days: int = 90
    keep_mb: int = 10_000
    start_early: bool = True
    container_program: str = ""
    container_image: str = ""
    home: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> Path:
        """The data directory."""
        if self.home:
            return Path(self.home).expanduser()
        from platformdirs import user_data_dir

        return Path(user_data_dir("aoai_magic", appauthor=False))


NAMES = tuple(f.name for f in fields(Settings) if f.name != "sources")


@dataclass(frozen=True)
class Target:
    """Where turns go, and why.

    Attributes
    ----------
    name
        One of `EMBEDDED` or `SERVICES`, or an engine's URL, which may be shown and kept.
    model
        Model SPEC or name; empty where the server has its own default.
    why
        The setting or variable that decided, for ``%assistant status``.
    address
        An engine's URL as it was given; a name and password may stand in it.
    """

    name: str
    model: str = field(repr=False)
    why: str
    address: str = field(default="", repr=False)

    @property
    def is_embedded(self) -> bool:
        """Whether a kernel starts its engine for itself."""
        return self.name in EMBEDDED

    @property
    def shown_model(self) -> str:
        """The model as it may be shown and kept; a URL in it may hold a name and password."""
        return hide_credentials(self.model)


def resolve(
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    file: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    front_end: Mapping[str, Any] | None = None,
) -> Settings:
    """Return the current settings; ``None`` values count as not given.

    Raises
    ------
    SettingsError
        If a value cannot be used.
    """
    layers = (
        (OPTION, options or {}),
        (CONFIG, config or {}),
        (ENVIRONMENT, _from_environment(os.environ if environ is None else environ)),
        (FILE, file or {}),
        (FRONT_END, front_end or {}),
    )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in NAMES:
        source, value = _strongest(name, layers)
        sources[name] = source
        if source != DEFAULT:
            values[name] = _checked(name, value, source)
    return Settings(**values, sources=sources)


def resolve_target(settings: Settings, environ: Mapping[str, str] | None = None) -> Target:
    """Describe where a turn goes, by the rule of the default target.

    ``azure`` when AZURE_OPENAI_ENDPOINT is set; ``openai`` when OPENAI_API_KEY is set
    and OPENAI_BASE_URL is not; else ``local``, with the server at OPENAI_BASE_URL as
    its model when that is set and the offline model otherwise. ``local`` is ``container``
    where this machine cannot isolate code and the sandbox is to be this machine's.
    """
    env = os.environ if environ is None else environ
    name, why = settings.target, _(settings.sources.get("target", DEFAULT))
    if not name:
        name, why = _default_target(env)
    if name == "local" and settings.sandbox == "local" and not isolates():
        name, why = "container", _("code cannot be isolated on this machine itself")
    model = settings.model
    if name in EMBEDDED and not model:
        model = "openai:" if env.get("OPENAI_BASE_URL") else "offline"
    if "://" in name:
        return Target(without_credentials(name), model, why, name)
    return Target(name, model, why)


def _default_target(env: Mapping[str, str]) -> tuple[str, str]:
    if env.get("AZURE_OPENAI_ENDPOINT"):
        return "azure", _("{variable} is set").format(variable="AZURE_OPENAI_ENDPOINT")
    if env.get("OPENAI_API_KEY") and not env.get("OPENAI_BASE_URL"):
        return "openai", _("{variable} is set").format(variable="OPENAI_API_KEY")
    if env.get("OPENAI_BASE_URL"):
        return "local", _("OPENAI_BASE_URL is set: its server is the model")
    return "local", _("no service is configured")


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    given = {name: environ.get(f"AOAI_MAGIC_{name.upper()}", "") for name in NAMES}
    return {name: value for name, value in given.items() if value}


def _strongest(name: str, layers: tuple[tuple[str, Mapping[str, Any]], ...]) -> tuple[str, Any]:
    for source, values in layers:
        if values.get(name) is not None:
            return source, values[name]
    return DEFAULT, None


def _checked(name: str, value: Any, source: str) -> Any:
    if name in _AMOUNTS:
        return _amount(name, value, source)
    if name in _SWITCHED:
        return _switch(name, value, source)
    if name in _WORDS and value not in _WORDS[name]:
        raise SettingsError(
            _("{name} is {value!r} ({source}), but must be one of {choices}.").format(
                name=name, value=value, source=_(source), choices=", ".join(_WORDS[name])
            )
        )
    if name == "target":
        _check_target(str(value), source)
    if name == "effort" and value and not str(value).isidentifier():
        raise SettingsError(
            _(
                "effort is {value!r} ({source}), but must be a word such as none, low or high."
            ).format(value=value, source=_(source))
        )
    return str(value)


def _amount(name: str, value: Any, source: str) -> float:
    kind, unit = _AMOUNTS[name]
    try:
        amount = kind(value)
    except (ValueError, OverflowError):
        amount = kind(-1)
    if not 0 <= amount < float("inf"):
        raise SettingsError(
            _(
                "{name} is {value!r} ({source}), but must be a number of {unit}, 0 for no limit."
            ).format(name=name, value=value, source=_(source), unit=_(unit))
        )
    return amount


def _switch(name: str, value: Any, source: str) -> bool:
    switch = _SWITCHES.get(str(value).lower())
    if switch is None:
        raise SettingsError(
            _("{name} is {value!r} ({source}), but must be true or false.").format(
                name=name, value=value, source=_(source)
            )
        )
    return switch


def _check_target(value: str, source: str) -> None:
    if value and value not in (*EMBEDDED, *SERVICES) and "://" not in value:
        raise SettingsError(
            _(
                "target is {value!r} ({source}), but must be local, container, azure, openai or "
                "an engine's URL."
            ).format(value=value.rpartition("@")[2], source=_(source))
        )
