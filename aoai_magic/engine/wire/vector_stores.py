"""The endpoints of vector stores, their files and file batches (version 2 only)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints
from sqlalchemy import Connection, delete
from starlette.responses import Response

from aoai_magic.engine import objects, store
from aoai_magic.engine import vector_stores as stores
from aoai_magic.engine.errors import ApiError, invalid_value, missing_parameter
from aoai_magic.engine.objects import Body
from aoai_magic.engine.tables import VECTOR_STORE_FILES, VECTOR_STORES
from aoai_magic.engine.wire import pagination, references
from aoai_magic.engine.wire.call import Call, reply
from aoai_magic.engine.wire.requests import ChunkingStrategy, Metadata, MetadataKey, tagged
from aoai_magic.engine.wire.validation import TAG, Closed


def _scalar_of(value: Any) -> str:
    """Tell the kind of an attribute's value; anything else is held against a text."""
    if isinstance(value, bool):
        return f"{TAG}bool"
    return f"{TAG}number" if isinstance(value, int | float) else f"{TAG}text"


Attribute = Annotated[
    Annotated[str, StringConstraints(max_length=512), tagged("text")]
    | Annotated[float, tagged("number")]
    | Annotated[bool, tagged("bool")],
    Discriminator(_scalar_of),
]
Attributes = Annotated[dict[MetadataKey, Attribute], Field(max_length=16)]
_STATUSES = ["in_progress", "completed", "failed", "cancelled"]


class ExpiresAfter(Closed):
    """When a store expires."""

    anchor: Literal["last_active_at"]
    days: Annotated[int, Field(ge=1, le=365)]


class CreateStore(Closed):
    """A new store."""

    file_ids: Annotated[list[str], Field(max_length=500)] | None = None
    name: str | None = None
    description: str | None = None
    expires_after: ExpiresAfter | None = None
    chunking_strategy: ChunkingStrategy | None = None
    metadata: Metadata | None = None


class UpdateStore(Closed):
    """Changes of a store."""

    name: str | None = None
    expires_after: ExpiresAfter | None = None
    metadata: Metadata | None = None


class AddFile(Closed):
    """A file for a store."""

    file_id: str
    chunking_strategy: ChunkingStrategy | None = None
    attributes: Attributes | None = None


class AddBatch(Closed):
    """Files for a store, by their ids or each with its settings."""

    file_ids: Annotated[list[str], Field(min_length=1, max_length=2000)] | None = None
    files: Annotated[list[AddFile], Field(min_length=1, max_length=2000)] | None = None
    chunking_strategy: ChunkingStrategy | None = None
    attributes: Attributes | None = None


class UpdateFile(Closed):
    """Changes of a file in a store."""

    attributes: Attributes | None


def _store_id(call: Call) -> str:
    call.only_v2()
    return call.path("vector_store_id", "vs")


def _check(connection: Connection, ids: list[str] | None, path: str = "file_ids") -> None:
    named = [(f"{path}[{index}]", id_) for index, id_ in enumerate(ids or ())]
    references.check_files(connection, named)


async def create(call: Call) -> Response:
    """Create a store."""
    call.only_v2()
    given = await call.given(CreateStore)

    def work(connection: Connection) -> Body:
        _check(connection, given.get("file_ids"))
        return stores.create(connection, given)

    return reply(await call.write(work))


async def list_(call: Call) -> Response:
    """List stores."""
    call.only_v2()
    page = await pagination.listing(call, VECTOR_STORES, "vector store")
    data = await call.read(lambda c: [stores.shown(c, body) for body in page["data"]])
    return reply({**page, "data": data})


async def retrieve(call: Call) -> Response:
    """Give a store."""
    id_ = _store_id(call)
    return reply(await call.read(lambda c: stores.load(c, id_)))


async def modify(call: Call) -> Response:
    """Change a store."""
    id_ = _store_id(call)
    given = await call.given(UpdateStore)

    def work(connection: Connection) -> Body:
        stores.load(connection, id_)
        kept = {k: v for k, v in given.items() if v is not None or k == "expires_after"}
        store.patch(connection, VECTOR_STORES, id_, kept)
        return stores.load(connection, id_)

    return reply(await call.write(work))


async def remove(call: Call) -> Response:
    """Delete a store."""
    id_ = _store_id(call)

    def work(connection: Connection) -> None:
        stores.load(connection, id_)
        stores.remove(connection, id_)

    await call.write(work)
    return reply(objects.deleted("vector_store", id_))


# Files


async def add_file(call: Call) -> Response:
    """Put a file into a store."""
    id_ = _store_id(call)
    given = await call.given(AddFile)

    def work(connection: Connection) -> Body:
        stores.load(connection, id_)
        references.check_files(connection, [("file_id", given["file_id"])])
        stores.add_files(connection, id_, [given], given.get("chunking_strategy"))
        return stores.load_file(connection, id_, given["file_id"])

    return reply(await call.write(work))


async def _list_files(call: Call, *where: Any) -> Response:
    status = call.request.query_params.get("filter")
    if status:
        if status not in _STATUSES:
            raise invalid_value("filter", status, _STATUSES)
        where = (*where, VECTOR_STORE_FILES.c.status == status)
    return reply(await pagination.listing(call, VECTOR_STORE_FILES, "file", *where))


async def list_files(call: Call) -> Response:
    """List the files of a store."""
    id_ = _store_id(call)
    await call.read(lambda c: stores.load(c, id_))
    return await _list_files(call, VECTOR_STORE_FILES.c.vector_store_id == id_)


async def retrieve_file(call: Call) -> Response:
    """Give a file of a store."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]
    return reply(await call.read(lambda c: stores.load_file(c, id_, file_id)))


async def modify_file(call: Call) -> Response:
    """Change the attributes of a file in a store."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]
    given = await call.given(UpdateFile)

    def work(connection: Connection) -> Body:
        body = stores.load_file(connection, id_, file_id)
        body["attributes"] = given["attributes"] or {}
        table = VECTOR_STORE_FILES
        where = (table.c.vector_store_id == id_, table.c.id == file_id)
        connection.execute(table.update().where(*where).values(body=body))
        return body

    return reply(await call.write(work))


async def remove_file(call: Call) -> Response:
    """Take a file out of a store; the file itself stays."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]

    def work(connection: Connection) -> None:
        stores.load_file(connection, id_, file_id)
        table = VECTOR_STORE_FILES
        where = (table.c.vector_store_id == id_, table.c.id == file_id)
        connection.execute(delete(table).where(*where))

    await call.write(work)
    return reply(objects.deleted("vector_store.file", file_id))


# Batches


def _entries(given: Body) -> list[Body]:
    """Give the files of a batch, each with its settings.

    Raises
    ------
    ApiError
        When there is not just one of the two lists.
    """
    ids, entries = given.get("file_ids"), given.get("files")
    if ids is None and entries is None:
        raise missing_parameter("file_ids")
    if ids is not None and entries is not None:
        raise ApiError("'file_ids' and 'files' are mutually exclusive.", param="files")
    if entries is not None:
        return list(entries)
    return [{"file_id": id_, "attributes": given.get("attributes")} for id_ in ids or ()]


async def create_batch(call: Call) -> Response:
    """Put files into a store as a batch."""
    id_ = _store_id(call)
    given = await call.given(AddBatch)
    entries = _entries(given)

    def work(connection: Connection) -> Body:
        stores.load(connection, id_)
        _check(connection, [entry["file_id"] for entry in entries])
        return stores.add_batch(connection, id_, entries, given)

    return reply(await call.write(work))


def _batch_ids(call: Call) -> tuple[str, str]:
    return _store_id(call), call.path("batch_id", "vsfb")


async def retrieve_batch(call: Call) -> Response:
    """Give a batch."""
    ids = _batch_ids(call)
    return reply(await call.read(lambda c: stores.load_batch(c, *ids)))


async def cancel_batch(call: Call) -> Response:
    """Cancel a batch, if any of it still were to be done."""
    ids = _batch_ids(call)
    batch = await call.read(lambda c: stores.load_batch(c, *ids))
    raise ApiError(f"Cannot cancel file batch with status '{batch['status']}'.")


async def list_batch_files(call: Call) -> Response:
    """List the files of a batch."""
    ids = _batch_ids(call)
    await call.read(lambda c: stores.load_batch(c, *ids))
    return await _list_files(call, VECTOR_STORE_FILES.c.batch_id == ids[1])
