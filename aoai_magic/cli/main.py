"""The command line: ``aoai-magic serve | mcp | demo | doctor``."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aoai_magic._version import __version__
from aoai_magic.errors import AssistantError, SettingsError
from aoai_magic.sandbox.protocol import Limits
from aoai_magic.shared import local_extra


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except AssistantError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except ModuleNotFoundError:
        if not (missing := local_extra.missing_packages()):
            raise
        print(local_extra.missing_sentence(missing), file=sys.stderr)  # noqa: T201
        return 1


def serve(given: argparse.Namespace) -> int:
    """Serve the engine until it is told to end."""
    from aoai_magic.engine.config import Bounds, EngineConfig
    from aoai_magic.engine.early_sandbox import EarlySandbox

    config = EngineConfig(
        host=given.host,
        port=given.port,
        data_dir=_home(given.data_dir),
        model=given.model,
        embeddings=given.embeddings,
        sandbox=given.sandbox,
        database=given.database,
        blobs=given.blobs,
        token=_token(given.token_file),
        lenient=given.lenient or _switch("AOAI_MAGIC_LENIENT"),
        request_models=_switch("AOAI_MAGIC_REQUEST_MODELS"),
        bounds=Bounds(upload=_upload_bytes()),
        limits=_limits(given.limit),
    )
    sandbox = EarlySandbox(config).begin()
    # Only now what takes long to import: the sandbox's process does the same beside it. Imports
    # make little garbage, and looking for it takes a tenth of their time.
    gc.disable()
    from aoai_magic.engine.errors import StoreError
    from aoai_magic.engine.models.base import ModelError
    from aoai_magic.engine.plugins import SpecError
    from aoai_magic.engine.server.process import serve as serve_engine

    gc.enable()
    try:
        serve_engine(config, sandbox)
    except (OSError, SpecError, ModelError, StoreError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def mcp(given: argparse.Namespace) -> int:
    """Serve the sandbox to MCP clients until they are gone, or a signal says to stop."""
    import anyio

    try:
        from aoai_magic.mcp.server import McpConfig, serve_http, serve_streams
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        text = "The MCP server needs version 2 of the package mcp; pip install 'aoai-magic[mcp]'."
        raise SettingsError(text) from None
    from aoai_magic.engine.plugins import SpecError
    from aoai_magic.sandbox.protocol import SandboxError

    notebook = Path(given.notebook).expanduser() if given.notebook else None
    limits = _limits(given.limit)
    config = McpConfig(_home(given.data_dir), given.sandbox, limits, notebook)
    try:
        if given.http:
            anyio.run(serve_http, config, given.port, _token(given.token_file))
        else:
            anyio.run(serve_streams, config)
    except KeyboardInterrupt:
        return 0
    except (OSError, SpecError, SandboxError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def demo(given: argparse.Namespace) -> int:
    """Run the quickstart headless and say where the executed notebook is."""
    from aoai_magic.cli.demo import run_demo

    return run_demo(Path(given.output))


def doctor(given: argparse.Namespace) -> int:
    """Describe what is configured and what is missing; 1 if the main job cannot run."""
    from aoai_magic.config.settings import resolve
    from aoai_magic.runner.diagnostics import examine, report
    from aoai_magic.runner.trial import examine_and_try
    from aoai_magic.state.threads import place

    settings = resolve()
    findings = examine_and_try(settings, place({})) if given.try_ else examine(settings)
    print(report(findings))  # noqa: T201
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aoai-magic", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_mcp(commands)
    run = commands.add_parser("demo", help="run the quickstart notebook headless")
    run.add_argument("--output", default="output", metavar="DIR", help="where results are written")
    run.set_defaults(run=demo)
    check = commands.add_parser("doctor", help="say what is configured and what is missing")
    check.add_argument(
        "--try", action="store_true", dest="try_", help="make one short turn, and say how it went"
    )
    check.set_defaults(run=doctor)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "serve",
        help="serve the engine",
        description="Serve an Assistants-compatible API with a sandboxed code interpreter. "
        "Prints one line of JSON when ready. Clients present the token in AOAI_MAGIC_TOKEN "
        "or in the token file; without either a fresh one is written to DIR/token.",
    )
    run.add_argument("--host", default="127.0.0.1")
    run.add_argument("--port", type=int, default=8787, help="0 takes a free one")
    run.add_argument("--model", metavar="SPEC", default="offline")
    run.add_argument("--database", metavar="URL", help="default: SQLite in the data directory")
    run.add_argument(
        "--blobs", metavar="URL", help="file:, s3:, …; default: a folder in the data directory"
    )
    _add_sessions(run)
    run.add_argument(
        "--lenient", action="store_true", help="accept known mistakes of the old documentation"
    )
    run.set_defaults(run=serve)


def _add_sessions(run: argparse.ArgumentParser) -> None:
    run.add_argument("--data-dir", metavar="DIR", help="default: AOAI_MAGIC_HOME or the user's")
    run.add_argument(
        "--embeddings",
        metavar="SPEC",
        default=os.environ.get("AOAI_MAGIC_EMBEDDINGS", ""),
        help="model with which file search compares meanings: azure:DEPLOYMENT, openai:MODEL, "
        "ollama:MODEL or gguf:PATH; default: AOAI_MAGIC_EMBEDDINGS, or words alone",
    )
    run.add_argument("--sandbox", metavar="SPEC", default="local")
    run.add_argument(
        "--limit",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a bound of sessions, such as memory=4G or cell_seconds=60; may be repeated. "
        "AOAI_MAGIC_SESSION_NAME sets the same",
    )
    run.add_argument("--token-file", metavar="FILE")


def _add_mcp(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "mcp",
        help="serve the sandbox to MCP clients",
        description="Serve the sandbox, and a notebook's shared frames, as an MCP server over "
        "standard input and output; with --http on a port of loopback, for clients that present "
        "the token in AOAI_MAGIC_TOKEN, in the token file, or else in DIR/mcp/token.",
    )
    run.add_argument("--http", action="store_true", help="serve streamable HTTP")
    run.add_argument("--port", type=int, default=8788, help="of HTTP; 0 takes a free one")
    run.add_argument("--notebook", metavar="FILE", help="what %%assistant share names")
    _add_sessions(run)
    run.set_defaults(run=mcp)


def _home(given: str | None) -> Path:
    from aoai_magic.config.settings import resolve

    return Path(given).expanduser() if given else resolve().folder


def _token(file: str | None) -> str | None:
    if file is None:
        return os.environ.get("AOAI_MAGIC_TOKEN") or None
    try:
        token = Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"The token file {file} cannot be read ({error.strerror}).") from error
    if not token:
        raise SettingsError(f"The token file {file} is empty; write the token into it.")
    return token


def _upload_bytes() -> int:
    """Return the largest upload, in bytes; the API's own rule is 512 MiB."""
    text = os.environ.get("AOAI_MAGIC_UPLOAD_BYTES", "")
    if text and not text.isdecimal():
        raise SettingsError(f"AOAI_MAGIC_UPLOAD_BYTES is {text!r}, but must be a number of bytes.")
    return int(text) if text else 512 << 20


def _limits(given: Sequence[str]) -> Limits:
    """Return the bounds of a session; what may be uploaded must also fit into it."""
    from aoai_magic.sandbox.limits import read_limits

    usual, upload = Limits(), _upload_bytes()
    roomy = replace(usual, disk=max(usual.disk, 2 * upload), file=max(usual.file, upload))
    try:
        return read_limits(roomy, os.environ, given)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _switch(name: str) -> bool:
    return os.environ.get(name, "").lower() not in ("", "0", "false", "no")
