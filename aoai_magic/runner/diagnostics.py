"""What is configured, which isolation level is used, and what to do about each gap."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aoai_magic._version import __version__
from aoai_magic.config.settings import SERVICES, Settings, Target, resolve_target
from aoai_magic.display import labels
from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later
from aoai_magic.runner.gaps import gaps
from aoai_magic.runner.hosted import hosted_by
from aoai_magic.shared import entra_id
from aoai_magic.shared.network import hide_credentials
from aoai_magic.text.width import pad

LIBRARIES = {
    "pandas": later("answers about tables"),
    "matplotlib": later("charts"),
    "openpyxl": later("Excel files"),
    "sympy": later("equations"),
}

FONTS = {
    "debian": "sudo apt-get install fonts-noto-cjk",
    "ubuntu": "sudo apt-get install fonts-noto-cjk",
    "fedora": "sudo dnf install google-noto-sans-cjk-fonts",
    "rhel": "sudo dnf install google-noto-sans-cjk-fonts",
}
"""How a distribution installs fonts with Chinese, Japanese and Korean characters."""

ANY_FONTS = "pip install matplotlib-fontja"
"""How any system does, with a package that carries a Japanese font."""

CHECK_SECONDS = 15.0
"""How much longer than a command's answer a model's may take that is only tried."""

LOAD_SECONDS = 300.0
"""The same for a model in a file, which is loaded to be tried: disks can be slow."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    state
        ``ok``, ``gap`` (something is missing, the main job runs), ``bad`` (it cannot) or
        ``limit`` (it is as it should be, and good to know).
    text
        What was found, and for a gap what to do about it.
    """

    state: str
    text: str

    def __str__(self) -> str:
        if self.state == "limit":
            return f"- {self.text}"
        words = {"ok": _("ok"), "gap": _("gap"), "bad": _("bad")}
        return f"{pad(words[self.state], 4)} {self.text}"


def examine(settings: Settings) -> list[Finding]:
    """Check everything that a turn needs."""
    target = resolve_target(settings)
    findings = [*_versions(), *_place(), *_target(target)]
    if target.name == "local":
        findings += _libraries()
    if target.is_embedded:
        findings += _engine(settings, target)
    elif target.name in SERVICES:
        findings += _service(settings, target)
    else:
        findings += _server(settings, target)
    return findings


def report(findings: Sequence[Finding]) -> str:
    """Return the findings as text: limits apart, and at the end what the check came to."""
    limits = [str(finding) for finding in findings if finding.state == "limit"]
    lines = [str(finding) for finding in findings if finding.state != "limit"]
    if limits:
        lines += ["", _("Limits of the sandbox (as it should be; nothing to do)"), *limits]
    if all(finding.state in ("ok", "limit") for finding in findings):
        lines += ["", _("All good.")]
    return "\n".join(lines)


def _versions() -> Iterator[Finding]:
    openai = importlib.metadata.version("openai")
    yield Finding(
        "ok",
        _("aoai_magic {version}, openai {openai}, Python {python}").format(
            version=__version__, openai=openai, python=platform.python_version()
        ),
    )


def _place() -> Iterator[Finding]:
    if name := hosted_by():
        yield Finding("ok", _("this notebook runs at {name}").format(name=name))


def _target(target: Target) -> Iterator[Finding]:
    yield Finding(
        "ok",
        _("turns go to {name} ({why}), model {model}").format(
            name=target.name, why=target.why, model=target.shown_model or "-"
        ),
    )
    if target.model == "offline":
        yield Finding(
            "ok",
            _(
                "the offline model answers by rules and needs no key; set OPENAI_API_KEY, "
                "AZURE_OPENAI_ENDPOINT or OPENAI_BASE_URL for a language model"
            ),
        )
    kind = target.model.split(":")[0] if target.is_embedded else target.name
    yield from _key(kind)


def _key(kind: str) -> Iterator[Finding]:
    """Describe with what one comes to a service, where that is not a key."""
    if kind == "azure" and not os.environ.get("AZURE_OPENAI_API_KEY"):
        if os.environ.get("AZURE_OPENAI_AD_TOKEN"):
            yield Finding("ok", _("the token in AZURE_OPENAI_AD_TOKEN is used; nobody renews it"))
        elif entra_id.installed():
            yield Finding("ok", _("no key is set, so that Entra ID is asked for tokens"))
        else:
            yield Finding(
                "gap",
                _(
                    "AZURE_OPENAI_API_KEY is not set; set it before the notebook's kernel "
                    "starts, or install {extra} to sign in with Entra ID"
                ).format(extra=entra_id.EXTRA),
            )
    elif kind == "openai" and not {"OPENAI_API_KEY", "OPENAI_BASE_URL"} & set(os.environ):
        yield Finding(
            "gap", _("OPENAI_API_KEY is not set; set it before the notebook's kernel starts")
        )


def _libraries() -> Iterator[Finding]:
    for name, purpose in LIBRARIES.items():
        if importlib.util.find_spec(name) is None:
            yield Finding(
                "gap",
                _("no {name}, so no {purpose}; pip install 'aoai-magic[data]'").format(
                    name=name, purpose=_(purpose)
                ),
            )
        else:
            yield Finding(
                "ok",
                _("{name} {version} for {purpose}").format(
                    name=name, version=importlib.metadata.version(name), purpose=_(purpose)
                ),
            )


def _engine(settings: Settings, target: Target) -> Iterator[Finding]:
    from aoai_magic.backends import open_backend
    from aoai_magic.runner.event_loop import wait_for

    spec = target.model
    try:
        backend = open_backend(settings, Target(target.name, "", "doctor"))
        status = wait_for(backend.status())
        seconds = LOAD_SECONDS if spec.startswith("gguf:") else CHECK_SECONDS
        model = wait_for(backend.check(spec), seconds)
    except AssistantError as error:
        yield Finding("bad", str(error))
        return
    yield Finding(
        "bad" if model else "ok",
        model or _("{spec} is ready").format(spec=hide_credentials(spec)),
    )
    yield Finding(
        "ok",
        _("the engine's container runs, its files are in a volume of it")
        if target.name == "container"
        else _("the local engine starts, its files are in {folder}").format(folder=settings.folder),
    )
    yield from _bounds(status.get("limits") or {})
    yield _search(status.get("search") or {})
    yield from _isolation(status.get("sandbox") or {})
    if "cjk-fonts" in (status.get("sandbox") or {}).get("lacks", ()):
        yield Finding("gap", _missing_fonts())


def _server(settings: Settings, target: Target) -> Iterator[Finding]:
    """Look at a server that is named by its URL."""
    from aoai_magic.backends import open_backend
    from aoai_magic.backends.responses_api.engine import no_engine
    from aoai_magic.runner.event_loop import wait_for

    try:
        backend = open_backend(settings, target)
        status = wait_for(backend.status())
        trouble = wait_for(backend.check(target.model), CHECK_SECONDS) if status else ""
    except AssistantError as error:
        yield Finding("bad", str(error))
        return
    if not status:
        yield Finding("bad", no_engine(target.name))
        return
    yield Finding(
        "bad" if trouble else "ok",
        trouble or _("{name} is ready").format(name=target.name),
    )
    yield from _isolation(status.get("sandbox") or {})
    if "search" in status:
        yield _search(status["search"])


def _search(status: dict[str, Any]) -> Finding:
    """Describe what file search compares."""
    if not status.get("embeddings"):
        return Finding(
            "ok",
            _(
                "file search compares words alone; set AOAI_MAGIC_EMBEDDINGS to compare meanings "
                "too, e.g. to ollama:MODEL"
            ),
        )
    if status.get("error"):
        text = _("file search compares words alone, since {spec} failed: {reason}")
        return Finding("gap", text.format(spec=status["embeddings"], reason=status["error"]))
    return Finding(
        "ok", _("file search compares meanings by {spec}").format(spec=status["embeddings"])
    )


def _service(settings: Settings, target: Target) -> Iterator[Finding]:
    from aoai_magic.backends import open_service
    from aoai_magic.runner.event_loop import wait_for

    try:
        service = open_service(settings, target)
        wait_for(service.check(target.model), CHECK_SECONDS)
    except AssistantError as error:
        yield Finding("bad", str(error))
        return
    yield Finding(
        "ok",
        _("{url} is ready with {model}").format(url=service.service.url, model=target.shown_model),
    )


def _isolation(sandbox: dict[str, Any]) -> Iterator[Finding]:
    if sandbox.get("error"):
        yield Finding("bad", str(sandbox["error"]))
        yield Finding(
            "gap",
            _(
                "the ways on: --on container with Docker or Podman, --on URL with a team server, "
                "or --on azure or openai, where the service runs the code"
            ),
        )
        return
    level = sandbox.get("level")
    if level == "none":
        yield Finding("gap", _("code runs with no isolation at all (local:unisolated is set)"))
    else:
        yield Finding("ok", _("code runs isolated by {level}").format(level=level))
    for tried in sandbox.get("tried") or ():
        yield Finding("limit", _("Stronger isolation unavailable: {tried}").format(tried=tried))
    yield from (Finding("limit", gap) for gap in gaps(sandbox))


def _missing_fonts() -> str:
    """Describe how fonts are installed on the machine of a local engine, which is this one."""
    try:
        system = platform.freedesktop_os_release()
    except OSError:
        system = {}
    kinds = f"{system.get('ID', '')} {system.get('ID_LIKE', '')}".split()
    command = next((FONTS[kind] for kind in kinds if kind in FONTS), ANY_FONTS)
    text = _(
        "charts show Chinese, Japanese and Korean characters as boxes, as no font has them; "
        "run {command} and restart the kernel"
    )
    return text.format(command=command)


def _bounds(limits: Mapping[str, Any]) -> Iterator[Finding]:
    """Describe what bounds a session; how to change it stands in the documentation."""
    if not limits:
        return
    values = {name: labels.size(limits.get(name, 0)) for name in ("memory", "disk")}
    for name in ("cell_seconds", "idle_seconds"):
        values[name] = labels.duration(limits.get(name, 0))
    text = _(
        "Each session may use {memory} of memory and {disk} for files. A cell may run for "
        "{cell_seconds}; a session ends after {idle_seconds} without work."
    )
    yield Finding("limit", text.format(**values))
