"""The MCP server: its tools, and how it is reached."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations

from aoai_magic._version import __version__
from aoai_magic.engine.config import Bounds
from aoai_magic.engine.models.pictures import Picture
from aoai_magic.engine.plugins import open_sandbox
from aoai_magic.engine.server.auth import Authentication, ensure_token
from aoai_magic.engine.server.connections import bounded_protocol
from aoai_magic.engine.server.process import Server, bind
from aoai_magic.engine.storage.engine_locks import Instance
from aoai_magic.errors import AssistantError
from aoai_magic.mcp.answers import Answer, blocks, link
from aoai_magic.mcp.questions import Questions
from aoai_magic.mcp.sessions import Sessions
from aoai_magic.mcp.shared_notebook import NotSharedError, SharedNotebook
from aoai_magic.runner.turn import Turn
from aoai_magic.sandbox.host.folder import remove
from aoai_magic.sandbox.protocol import FileInfo, Limits, SandboxError, Session
from aoai_magic.shared.private_files import private_folder
from aoai_magic.turn import view as views

_INSTRUCTIONS = (
    "run_python runs Python in a sandbox without network, with numpy, pandas and matplotlib where "
    "they are installed. Variables and the files in /mnt/data stay from call to call."
)
_FILES = "session://{session}/{+name}"
_LARGEST_RESOURCE = 32 << 20
_BYTES = "application/octet-stream"
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class McpConfig:
    """How the server is configured.

    Attributes
    ----------
    data_dir
        Under which sessions' files and the token are kept, as long as the server runs.
    sandbox
        SPEC of the sandbox.
    limits
        Bounds of each session.
    notebook
        The file by which a kernel shares its frames, None for no notebook.
    """

    data_dir: Path
    sandbox: str = "local"
    limits: Limits = field(default_factory=Limits)
    notebook: Path | None = None


class Tools:
    """The tools of one server."""

    def __init__(self, sessions: Sessions, notebook: SharedNotebook | None) -> None:
        self._sessions = sessions
        self._notebook = notebook
        self._questions = Questions()

    def add_to(self, server: MCPServer) -> None:
        """Offer the tools and resources that there are."""
        add = server.add_tool
        add(self.run_python, annotations=ToolAnnotations(open_world_hint=False))
        add(self.ask)
        reads = ToolAnnotations(read_only_hint=True)
        if self._notebook:
            add(self.list_variables, annotations=reads)
            add(self.describe, annotations=reads)
            add(self.attach, annotations=reads)
        server.resource(_FILES, name="file", description="A file of a session.", mime_type=_BYTES)(
            self.read_file
        )

    async def run_python(
        self,
        code: str,
        ctx: Context,
        session: str = "",
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> CallToolResult:
        """Run Python in a sandbox and return what it printed, showed and saved.

        Variables and files in /mnt/data stay for later calls of the session. The value of the
        last expression and figures are shown; a pandas DataFrame is also a table in the
        structured content, with its first rows as pandas prints them. Files that the code
        writes are links, to be read as resources.

        session: leave it out to go on in yours, "new" for a fresh one, or the one that an
        earlier answer names. timeout: seconds after which the code is stopped.
        """
        answer = Answer()
        with _as_tool_errors():
            handle = self._sessions.handle(session, _client(ctx))
            async with self._sessions.use(handle) as held:
                before = await held.session.files()
                async with aclosing(held.run(code, timeout)) as events:  # type: ignore[type-var]
                    async for event in events:
                        answer.take(event)
                return answer.result(handle, await _new_files(held.session, before))

    async def ask(self, question: str, ctx: Context, session: str = "") -> CallToolResult:
        """Ask the model that aoai_magic is configured for, which may run Python itself.

        The files of its answer are put into your session, at /mnt/data.
        """
        with _as_tool_errors():
            turn = await self._questions.ask(question)
            content = blocks(_pieces(turn))
            if not turn.files:
                return CallToolResult(content=content, structured_content={"status": turn.status})
            handle = self._sessions.handle(session, _client(ctx))
            async with self._sessions.use(handle) as held:
                await _put_files(turn, held.session)
            links = [link(handle, file.name, file.blob.size) for file in turn.view.files]
        structured = {"status": turn.status, "session": handle}
        return CallToolResult(content=[*content, *links], structured_content=structured)

    async def list_variables(self) -> CallToolResult:
        """List the variables that the user's notebook shares, with their types and sizes."""
        with _as_tool_errors():
            answer = await self._shared().request("list")
        lines = [f"{one['name']}: {one['kind']}" for one in answer["variables"]]
        return _said("\n".join(lines), answer)

    async def describe(self, name: str) -> CallToolResult:
        """Describe a variable that the user's notebook shares: its columns, types and values."""
        with _as_tool_errors():
            answer = await self._shared().request("describe", name)
        return _said(answer["card"], answer)

    async def attach(self, name: str, ctx: Context, session: str = "") -> CallToolResult:
        """Copy a variable that the user's notebook shares into your session, with its types.

        run_python then has it under the same name. Changes stay in the session.
        """
        with _as_tool_errors():
            answer = await self._shared().request("copy", name)
            copy = Path(answer.pop("path"))
            try:
                handle = self._sessions.handle(session, _client(ctx))
                async with self._sessions.use(handle) as held:
                    await held.session.put(answer.pop("filename"), copy)
            finally:
                await anyio.Path(copy).unlink(missing_ok=True)
        return _said(answer["card"], {**answer, "session": handle})

    async def read_file(self, session: str, name: str) -> bytes:
        """Return a file of a session."""
        try:
            async with self._sessions.use(self._sessions.handle(session, None)) as held:
                content = await anyio.to_thread.run_sync(_read, held.session, name)
        except SandboxError as error:
            raise ResourceNotFoundError(str(error)) from error
        if len(content) > _LARGEST_RESOURCE:
            text = f"{name!r} has more than {_LARGEST_RESOURCE >> 20} MB; read it in parts by code."
            raise ResourceNotFoundError(text)
        return content

    def _shared(self) -> SharedNotebook:
        assert self._notebook  # its tools are offered only then
        return self._notebook


@contextmanager
def _as_tool_errors() -> Iterator[None]:
    """Report the errors of this package to the client, and the text of no others."""
    try:
        yield
    except (AssistantError, NotSharedError, SandboxError) as error:
        raise ToolError(str(error)) from error


def _client(ctx: Context) -> str | None:
    """Return what tells a client from others: its session of HTTP, or that it is the only one."""
    return "the only one" if ctx.headers is None else ctx.headers.get("mcp-session-id")


def _read(session: Session, name: str) -> bytes:
    with session.open(name) as file:
        return file.read(_LARGEST_RESOURCE + 1)


async def _new_files(session: Session, before: Sequence[FileInfo]) -> list[FileInfo]:
    known = set(before)
    return [file for file in await session.files() if file not in known]


def _pieces(turn: Turn) -> list[str | Picture]:
    pieces: list[str | Picture] = []
    for part in turn.view.parts:
        if isinstance(part, views.Text):
            pieces.append(f"{part.text}\n\n")
        elif isinstance(part, views.Image):
            pieces.append(Picture(part.media_type.partition("/")[2], part.data))
    return pieces


async def _put_files(turn: Turn, session: Session) -> None:
    with tempfile.TemporaryDirectory(prefix="aoai-magic-") as folder:
        for number, file in enumerate(turn.view.files):
            path = Path(folder) / str(number)
            path.write_bytes(file.data)
            await session.put(file.name, path, bind=False)


def _said(text: str, structured: dict[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


@asynccontextmanager
async def open_server(config: McpConfig) -> AsyncIterator[MCPServer]:
    """Open the server; its sessions and all their files are deleted at the end.

    Raises
    ------
    SpecError, SandboxError
        The sandbox cannot be opened.
    """
    instance = Instance(private_folder(config.data_dir) / "mcp")
    folder = config.data_dir / "mcp" / instance.id
    try:
        _sweep(folder.parent, instance)
        sandbox = open_sandbox(config.sandbox, private_folder(folder), config.limits)
        try:
            await sandbox.start()
            server = MCPServer(
                "aoai-magic", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING"
            )
            notebook = SharedNotebook(config.notebook) if config.notebook else None
            Tools(Sessions(sandbox, config.limits.sessions), notebook).add_to(server)
            yield server
        finally:
            await sandbox.close()
    finally:
        remove(folder)
        instance.close()


def _sweep(folder: Path, instance: Instance) -> None:
    """Delete what servers left that were killed."""
    for left in folder.iterdir():
        if left.is_dir() and not instance.alive(left.name):
            remove(left)


async def serve_streams(config: McpConfig) -> None:
    """Serve one client over standard input and output, until it closes them."""
    async with open_server(config) as server:
        await server.run_stdio_async()


async def serve_http(config: McpConfig, port: int, token: str | None) -> None:
    """Serve clients on loopback that present the token; without one it is in a file.

    Raises
    ------
    OSError
        The port cannot be had.
    """
    async with open_server(config) as server:
        token = ensure_token(token, config.data_dir / "mcp")
        app = server.streamable_http_app(host=_HOST)
        app.add_middleware(Authentication, token=token, host=_HOST)
        settings = uvicorn.Config(
            app,
            http=bounded_protocol(Bounds().head_seconds),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        # uvicorn hears these signals, ends, and then raises them anew, which would end us before
        # the sessions are deleted.
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM):
            await Server(settings, "/mcp").serve([bind(_HOST, port)])
