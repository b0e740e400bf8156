"""The endpoints of assistants, and of their files in version 1."""

from __future__ import annotations

from sqlalchemy import Connection, delete
from starlette.responses import Response

from aoai_magic.engine.api import pagination, references
from aoai_magic.engine.api.assistants import v1
from aoai_magic.engine.api.assistants.schemas import CreateAssistant, ModifyAssistant
from aoai_magic.engine.api.request_context import Call, reply
from aoai_magic.engine.errors import file_not_found, invalid_url, not_found
from aoai_magic.engine.search import vector_stores
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import ASSISTANTS

_NOT_NULL = ("tools", "metadata", "response_format", "temperature", "top_p", "model")


def _changes(connection: Connection, call: Call, given: Body) -> Body:
    """Check what a body refers to; null means the default where null is no value."""
    resources = given.get("tool_resources")
    references.check_files(connection, list(references.in_resources(resources)))
    references.check_stores(connection, resources)
    kept = {key: value for key, value in given.items() if not (value is None and key in _NOT_NULL)}
    if resources is not None:
        kept["tool_resources"] = vector_stores.resolve(connection, resources)
    return kept


def load(connection: Connection, id_: str) -> Body:
    """Return an assistant.

    Raises
    ------
    ApiError
        When there is none.
    """
    body = store.get(connection, ASSISTANTS, id_)
    if body is None:
        raise not_found("assistant", id_)
    return body


async def create(call: Call) -> Response:
    """Create an assistant."""
    given = await call.given(CreateAssistant)

    def work(connection: Connection) -> Body:
        body = objects.assistant(**_changes(connection, call, given))
        return store.add(connection, ASSISTANTS, body)

    made = await call.write(work)
    call.engine.library.wake()
    return call.answer(made)


async def list_(call: Call) -> Response:
    """List assistants."""
    return call.answer(await pagination.listing(call, ASSISTANTS, "assistant"))


async def retrieve(call: Call) -> Response:
    """Return an assistant."""
    id_ = call.path("assistant_id", "asst")
    return call.answer(await call.read(lambda c: load(c, id_)))


async def modify(call: Call) -> Response:
    """Change the keys given; tools and resources are replaced as wholes."""
    id_ = call.path("assistant_id", "asst")
    given = await call.given(ModifyAssistant)

    def work(connection: Connection) -> Body:
        body = load(connection, id_) | _changes(connection, call, given)
        body["tool_resources"] = objects.tool_resources(body["tool_resources"], body["tools"])
        return store.patch(connection, ASSISTANTS, id_, body) or body

    changed = await call.write(work)
    call.engine.library.wake()
    return call.answer(changed)


async def remove(call: Call) -> Response:
    """Delete an assistant."""
    id_ = call.path("assistant_id", "asst")

    def work(connection: Connection) -> None:
        load(connection, id_)
        connection.execute(delete(ASSISTANTS).where(ASSISTANTS.c.id == id_))

    await call.write(work)
    return reply(objects.deleted("assistant", id_))


# Files of assistants: version 1 only


def _only_v1(call: Call) -> str:
    if call.version != "v1":
        raise invalid_url(call.request.method, call.request.url.path)
    return call.path("assistant_id", "asst")


async def add_file(call: Call) -> Response:
    """Attach a file to an assistant."""
    id_ = _only_v1(call)
    file_id = (await call.given(v1.CreateAssistantFile))["file_id"]

    def work(connection: Connection) -> Body:
        references.check_files(connection, [("file_id", file_id)])
        body = load(connection, id_)
        ids = dict.fromkeys([*v1.code_files(body), file_id])
        _set_files(connection, body, list(ids))
        return v1.assistant_file(body, file_id)

    return reply(await call.write(work))


def _set_files(connection: Connection, body: Body, ids: list[str]) -> None:
    resources = {**body["tool_resources"], "code_interpreter": {"file_ids": ids}}
    store.patch(connection, ASSISTANTS, body["id"], {"tool_resources": resources})


async def list_files(call: Call) -> Response:
    """List the files of an assistant."""
    id_ = _only_v1(call)
    body = await call.read(lambda c: load(c, id_))
    ids = v1.code_files(body)
    show = v1.assistant_file
    return reply(pagination.cut(call, ids, "file", lambda file_id: show(body, file_id)))


def _held(body: Body, file_id: str) -> str:
    if file_id not in v1.code_files(body):
        raise file_not_found(file_id)
    return file_id


async def retrieve_file(call: Call) -> Response:
    """Return a file of an assistant."""
    id_ = _only_v1(call)
    body = await call.read(lambda c: load(c, id_))
    file_id = _held(body, call.request.path_params["file_id"])
    return reply(v1.assistant_file(body, file_id))


async def remove_file(call: Call) -> Response:
    """Detach a file from an assistant; the file itself stays."""
    id_, file_id = _only_v1(call), call.request.path_params["file_id"]

    def work(connection: Connection) -> None:
        body = load(connection, id_)
        _held(body, file_id)
        _set_files(connection, body, [one for one in v1.code_files(body) if one != file_id])

    await call.write(work)
    return reply(objects.deleted("assistant.file", file_id))
