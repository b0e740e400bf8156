"""What the JupyterLab extension asks the kernel; it works, with less, without the answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import JSON

from aoai_magic import frame_codec
from aoai_magic.attach.resolve import attachable
from aoai_magic.attach.schema_card import card
from aoai_magic.attach.schema_facts import facts
from aoai_magic.config.settings import resolve_target
from aoai_magic.errors import AssistantError
from aoai_magic.locale import gettext as _
from aoai_magic.notebook.line_commands import cost
from aoai_magic.results.read_table import read_tables
from aoai_magic.results.table_pages import Order, TablePages
from aoai_magic.runner.about_cell import failed, source_of
from aoai_magic.runner.remote_resources import RemoteResources, is_users_target, sent
from aoai_magic.shared.network import without_credentials
from aoai_magic.turn.view import Image

if TYPE_CHECKING:
    from aoai_magic.runner.kernel_state import Assistant
    from aoai_magic.runner.turn import Turn

Asked = Mapping[str, Any]
Reply = dict[str, Any]

LARGEST_DOWNLOAD = 64 << 20
"""Bytes of a file that may travel to the browser through the kernel's channel."""

MOST_ROWS = 1000
"""Rows of a page of a table."""

MOST_TABLES = 4
"""Tables that are kept in memory for grids; one that is asked for again is read again."""

LONGEST_TITLE = 80
"""Characters of a question that name its conversation."""


def answer(question: str) -> JSON:
    """Return the reply to a request of the extension, from the running shell's namespace.

    Questions and answers are JSON objects of the forms in ``lab_messages.schema.json``. What
    the user should read in place of an answer is ``error``, one sentence; until the magic
    is loaded, answers that need it are null.
    """
    asked = json.loads(question)
    shell = get_ipython()
    assert shell is not None, "the extension asks a kernel, which has a shell"
    try:
        reply = next(QUESTIONS[key] for key in asked if key in QUESTIONS)(asked, shell)
    except AssistantError as error:
        reply = {"error": str(error)}
    return JSON(reply)


def _names(asked: Asked, shell: Any) -> Reply:
    names = attachable_names(asked["names"], shell.user_ns)
    number, source = asked.get("number") or 0, asked.get("source", "")
    return {
        "loaded": _state(shell) is not None,
        "names": names,
        "known": (source_of(number) or "").strip() == source.strip(),
        "failed": failed(number),
    }


def _card(asked: Asked, shell: Any) -> Reply:
    return {"card": schema(asked["card"], shell.user_ns)}


def _overview(_: Asked, shell: Any) -> Reply:
    state = _state(shell)
    return {"overview": overview(state) if state else None}


def _far(_: Asked, shell: Any) -> Reply:
    state = _state(shell)
    if state is None:
        return {"far": None}
    remote = RemoteResources(state)
    return {"far": None if remote.is_asleep else remote.as_json()}


def _download(asked: Asked, shell: Any) -> Reply:
    name, data = RemoteResources(_loaded(shell)).content(asked["download"])
    if len(data) > LARGEST_DOWNLOAD:
        raise AssistantError(
            _(
                "The file has {count:,} bytes, too many to come through the kernel; ask the "
                "assistant to save it in parts, or use --save DIR when it is made."
            ).format(count=len(data))
        )
    return {"name": name, "data": base64.b64encode(data).decode("ascii")}


def _delete_file(asked: Asked, shell: Any) -> Reply:
    RemoteResources(_loaded(shell)).delete_file(asked["deleteFile"])
    return {}


def _end_session(asked: Asked, shell: Any) -> Reply:
    RemoteResources(_loaded(shell)).end_session(asked["endSession"])
    return {}


def _delete_thread(asked: Asked, shell: Any) -> Reply:
    RemoteResources(_loaded(shell), asked["target"]).delete_thread(asked["deleteThread"])
    return {}


def _adopt(asked: Asked, shell: Any) -> Reply:
    return {"name": RemoteResources(_loaded(shell)).adopt(asked["adopt"])}


def _fork(asked: Asked, shell: Any) -> Reply:
    state, target = _loaded(shell), asked["target"]
    if not is_users_target(state, target) and asked.get("agreed") != target:
        question = _(
            "This answer names the server {url}, which neither your settings nor a turn of yours "
            "name. Forking sends your token (AOAI_MAGIC_TOKEN) to it."
        )
        return {"question": question.format(url=without_credentials(target))}
    remote = RemoteResources(state, target)
    name = remote.free_name(asked["fork"])
    remote.fork(name, asked["thread"], asked["parts"])
    return {"name": name}


def _settings(asked: Asked, shell: Any) -> Reply:
    state = _state(shell)
    if state is not None:
        state.front_end = dict(asked["settings"])
    return {}


def _table(asked: Asked, shell: Any) -> Reply:
    pages = _pages(_loaded(shell), asked["table"], asked["sha256"])
    order = Order(asked["sort"], asked["descending"], asked["words"])
    return {
        "columns": pages.columns(),
        "total": pages.table.num_rows,
        "count": pages.count(order),
        "rows": pages.rows(order, asked["offset"], min(asked["limit"], MOST_ROWS)),
    }


def _pages(state: Assistant, name: str, digest: str) -> TablePages:
    """Return the pages of a file that came back, the newest of that content."""
    if digest in _PAGES:
        return _PAGES[digest]
    files = (turn.files.get(name) for turn in reversed(_known_turns(state)))
    held = (file.data for file in files if file is not None)
    data = next((data for data in held if sha256(data).hexdigest() == digest), None)
    if data is None:
        raise AssistantError(
            _("This kernel does not have {name} any more; run the cell again.").format(name=name)
        )
    table = read_tables(data, name, "pyarrow").frame
    if isinstance(table, dict):
        sheets = _("{name} has several sheets, and a grid shows one; save one of them as CSV.")
        raise AssistantError(sheets.format(name=name))
    if len(_PAGES) >= MOST_TABLES:
        del _PAGES[next(iter(_PAGES))]
    return _PAGES.setdefault(digest, TablePages(table))


_PAGES: dict[str, TablePages] = {}
"""The tables that grids show, by the hash of their file."""

QUESTIONS: dict[str, Callable[[Asked, Any], Reply]] = {
    "names": _names,
    "card": _card,
    "overview": _overview,
    "far": _far,
    "download": _download,
    "deleteFile": _delete_file,
    "endSession": _end_session,
    "deleteThread": _delete_thread,
    "adopt": _adopt,
    "fork": _fork,
    "settings": _settings,
    "table": _table,
}


def _state(shell: Any) -> Assistant | None:
    magics = shell.magics_manager.registry.get("AssistantMagics")
    return magics.state if magics else None


def _loaded(shell: Any) -> Assistant:
    state = _state(shell)
    if state is None:
        raise AssistantError(_("The assistant is not loaded here; run: %load_ext aoai_magic"))
    return state


def attachable_names(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str]:
    """Return those of ``names`` that can be attached, each with its description.

    IPython's own variables are left out.
    """
    users = [name for name in names if not name.startswith("_") and name not in ("In", "Out")]
    found = {name: attachable(namespace[name]) for name in users if name in namespace}
    return {name: said for name, said in found.items() if said}


def schema(name: str, namespace: Mapping[str, Any]) -> str | None:
    """Describe a variable in lines: what it is, its columns and types, and no value of it.

    Only an empty slice of a frame is looked at, so that the size does not matter.
    """
    described = attachable_names([name], namespace).get(name)
    if described is None:
        return None
    title = f"{name}: {described}"
    empty = _empty(namespace[name])
    if empty is None:
        return title
    return card(title, facts(empty, frame_codec.contents(empty)), "", schema_only=True, say=_)


def overview(state: Assistant) -> dict[str, Any]:
    """Return what a kernel knows of its assistant without asking the server.

    Sizes are in bytes, times in seconds since 1970.
    """
    settings = state.settings()
    target = resolve_target(settings)
    money = cost(state)
    return {
        "target": target.name,
        "why": target.why,
        "model": target.shown_model,
        "turns": len(state.turns),
        "usage": {
            "input_tokens": state.usage.input_tokens,
            "output_tokens": state.usage.output_tokens,
            "cached_tokens": state.usage.cached_tokens,
        },
        "cost": money._asdict() if money else None,
        "threads": [
            {
                "id": one.id,
                "name": one.name,
                "title": _title(state, one.id),
                "target": one.target,
                "used": one.used,
            }
            for one in state.threads(settings).all()
        ],
        "files": [
            {
                "id": entry.file_id,
                "name": entry.name,
                "bytes": entry.bytes,
                "target": entry.target,
                "created": entry.sent_at,
                "expires": entry.expires_at,
                "here": here,
                "own": entry.place == state.place,
            }
            for entry, here in sent(settings, target)
        ],
        "made": sorted(_made(state)),
        "data": attachable_names(list(state.namespace), state.namespace),
    }


def _known_turns(state: Assistant) -> list[Turn]:
    """Return the notebook's turns: those of this kernel, or the last one of the kernel before."""
    before = state.last
    return state.turns or ([before] if before else [])


def _title(state: Assistant, thread: str) -> str:
    """Return the first question of a thread, as far as this kernel knows it."""
    # Of a thread at a service only the container stays the same.
    key = thread.partition("|")[2] or thread
    turns = (turn for turn in _known_turns(state) if turn.thread.endswith(key))
    return next((" ".join(turn.question.split())[:LONGEST_TITLE] for turn in turns), "")


def _made(state: Assistant) -> set[str]:
    """Return the ids of the files and pictures that the notebook's turns made."""
    views = [turn.view for turn in _known_turns(state)]
    files = {file.id for view in views for file in view.files if file.id}
    return files | {part.id for view in views for part in view.parts if isinstance(part, Image)}


def _empty(value: Any) -> Any:
    if not frame_codec.supported(value):
        return None
    if hasattr(value, "head"):  # pandas, polars
        return value.head(0)
    return value.slice(0, 0) if hasattr(value, "slice") else None
