"""MCP servers that a project names: ``.mcp.json``, and Jupyter's ``.jupyter/mcp_settings.json``."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aoai_magic.errors import SettingsError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.shared.private_files import open_regular

FILES = (".mcp.json", ".jupyter/mcp_settings.json")

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_LARGEST = 1 << 20


Pairs = tuple[tuple[str, str], ...]
"""Names and values."""


@dataclass(frozen=True)
class McpServer:
    """How a server is reached: by the command that starts it, or by its URL.

    Attributes
    ----------
    env
        What its process has of the environment besides the usual few variables.
    file
        Where it is named.
    """

    name: str
    file: Path
    command: str = ""
    args: tuple[str, ...] = ()
    env: Pairs = field(default=(), repr=False)
    url: str = field(default="", repr=False)
    headers: Pairs = field(default=(), repr=False)


def find_server(name: str, folder: Path) -> McpServer:
    """Return the server of that name, of the nearest file in a folder or above it.

    Raises
    ------
    UsageError
        No file names it.
    SettingsError
        A file that may name it cannot be used.
    """
    known: dict[str, None] = {}
    for file in _files(folder):
        servers = _servers(file)
        if name in servers:
            return _server(name, servers[name], file)
        known |= dict.fromkeys(servers)
    if known:
        text = _("--mcp {name}: there is no MCP server of that name; there are: {names}.")
    else:
        text = _("--mcp {name}: no {file} in this folder or above names MCP servers.")
    raise UsageError(text.format(name=name, names=", ".join(known), file=FILES[0]))


def _files(folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents):
        yield from (place / name for name in FILES if (place / name).is_file())


def _servers(file: Path) -> dict[str, Any]:
    """Return what a file says of each server, by name."""
    try:
        raw = json.loads(_text(file))
        listed = raw.get("mcp_servers") or []  # Jupyter's form
        named = {one["name"]: one for one in listed}
        return {**named, **(raw.get("mcpServers") or {})}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = _("{file} cannot be read ({reason}); correct it.")
        raise SettingsError(text.format(file=file, reason=error)) from error


def _text(file: Path) -> str:
    """Return the text of a file that nobody but its owner, who is the user or root, can change."""
    opened = open_regular(file)
    if opened is None:
        raise FileNotFoundError(file)
    with opened:
        status = os.fstat(opened.fileno())
        # It names a program that will run: another account could leave one in /tmp.
        if sys.platform != "win32" and (
            status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o002
        ):
            raise PermissionError(_("another account could have written it"))
        return opened.read(_LARGEST).decode("utf-8")


def _server(name: str, raw: Any, file: Path) -> McpServer:
    try:
        args = tuple(_filled(one) for one in raw.get("args") or ())
        env, headers = (_pairs(raw.get(key)) for key in ("env", "headers"))
        command, url = _filled(raw.get("command") or ""), _filled(raw.get("url") or "")
    except (AttributeError, TypeError, KeyError) as error:
        text = _("{file} cannot be read ({reason}); correct it.")
        raise SettingsError(text.format(file=file, reason=error)) from error
    if bool(command) == bool(url):
        text = _("{file} must give the MCP server {name} either a command or a url.")
        raise SettingsError(text.format(file=file, name=name))
    return McpServer(name, file, command, args, env, url, headers)


def _pairs(raw: Any) -> Pairs:
    """Return names and values of an object, or of Jupyter's list of names and values."""
    pairs = {one["name"]: one["value"] for one in raw} if isinstance(raw, list) else raw or {}
    return tuple((name, _filled(value)) for name, value in pairs.items())


def _filled(text: str) -> str:
    """Put in the variables that a text names as ``${NAME}`` or ``${NAME:-default}``."""

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            text = _("An MCP server's settings name the variable {name}, which is not set.")
            raise SettingsError(text.format(name=match[1]))
        return found

    return _VARIABLE.sub(value, text)
