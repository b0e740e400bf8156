"""The endpoints of vector stores, their files and file batches (version 2 only)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, model_validator
from sqlalchemy import Connection
from starlette.responses import Response

from aoai_magic.engine.api import pagination, references
from aoai_magic.engine.api.assistants import schemas
from aoai_magic.engine.api.assistants.schemas import (
    ChunkingStrategy,
    Metadata,
    MetadataKey,
    tagged,
)
from aoai_magic.engine.api.request_context import POLL_AFTER, Call, reply
from aoai_magic.engine.api.validation import TAG, Closed
from aoai_magic.engine.errors import ApiError, invalid_value, missing_parameter
from aoai_magic.engine.search import vector_stores as stores
from aoai_magic.engine.search.filters import fitting
from aoai_magic.engine.search.fusion import weights_of
from aoai_magic.engine.storage import objects, store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import VECTOR_STORE_FILES, VECTOR_STORES


def _scalar_of(value: Any) -> str:
    """Return the kind of an attribute's value; anything else is held against a text."""
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


def _value_of(value: Any) -> str:
    return f"{TAG}list" if isinstance(value, list) else _scalar_of(value)


Word = Annotated[
    Annotated[str, tagged("text")]
    | Annotated[float, tagged("number")]
    | Annotated[bool, tagged("bool")],
    Discriminator(_scalar_of),
]
Value = Annotated[
    Annotated[str, tagged("text")]
    | Annotated[float, tagged("number")]
    | Annotated[bool, tagged("bool")]
    | Annotated[list[Word], tagged("list")],
    Discriminator(_value_of),
]


class Comparison(Closed):
    """A condition on one attribute of a file."""

    type: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
    key: str
    value: Value

    @model_validator(mode="after")
    def _fits(self) -> Comparison:
        if (self.type in ("in", "nin")) != isinstance(self.value, list):
            kind = "an array" if self.type in ("in", "nin") else "one value"
            raise ValueError(f"The comparison '{self.type}' takes {kind}.")
        return self


class Compound(Closed):
    """Conditions, of which all or any has to hold."""

    type: Literal["and", "or"]
    filters: list[Condition]


def _condition_of(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"{TAG}compound" if kind in ("and", "or") else f"{TAG}comparison"


Condition = Annotated[
    Annotated[Comparison, tagged("comparison")] | Annotated[Compound, tagged("compound")],
    Discriminator(_condition_of),
]
Compound.model_rebuild()


class HybridSearch(Closed):
    """How much meaning and words count."""

    embedding_weight: Annotated[float, Field(ge=0)]
    text_weight: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _counts(self) -> HybridSearch:
        if not self.embedding_weight + self.text_weight:
            raise ValueError("At least one of the weights must be greater than 0.")
        return self


class SearchRanking(Closed):
    """How results are ranked, and which are good enough."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    hybrid_search: HybridSearch | None = None


Query = Annotated[
    Annotated[str, tagged("text")] | Annotated[list[str], tagged("list")], schemas.ByShape
]


class Search(Closed):
    """A query."""

    query: Query
    rewrite_query: bool = False
    max_num_results: Annotated[int, Field(ge=1, le=50)] = 10
    filters: Condition | None = None
    ranking_options: SearchRanking | None = None


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

    made = await call.write(work)
    call.engine.library.wake()
    return reply(made)


async def list_(call: Call) -> Response:
    """List stores."""
    call.only_v2()
    page = await pagination.listing(call, VECTOR_STORES, "vector store")
    data = await call.read(lambda c: [stores.shown(c, body) for body in page["data"]])
    return reply({**page, "data": data})


async def retrieve(call: Call) -> Response:
    """Return a store."""
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
        stores.held(connection, id_)
        stores.remove(connection, id_)

    await call.write(work)
    await call.engine.library.drop(id_)
    return reply(objects.deleted("vector_store", id_))


# Files


async def add_file(call: Call) -> Response:
    """Add a file to a store."""
    id_ = _store_id(call)
    given = await call.given(AddFile)

    def work(connection: Connection) -> Body:
        stores.usable(connection, id_)
        references.check_files(connection, [("file_id", given["file_id"])])
        stores.add_files(connection, id_, [given], given.get("chunking_strategy"))
        return stores.load_file(connection, id_, given["file_id"])

    held = await call.write(work)
    call.engine.library.wake()
    return reply(held)


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
    await call.read(lambda c: stores.held(c, id_))
    return await _list_files(call, VECTOR_STORE_FILES.c.vector_store_id == id_)


async def retrieve_file(call: Call) -> Response:
    """Return a file of a store."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]
    return reply(await call.read(lambda c: stores.load_file(c, id_, file_id)), POLL_AFTER)


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
    """Remove a file from a store; the file itself stays."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]

    def work(connection: Connection) -> None:
        stores.load_file(connection, id_, file_id)
        stores.remove_file(connection, file_id, [id_])

    await call.write(work)
    await call.engine.library.remove(id_, file_id)
    return reply(objects.deleted("vector_store.file", file_id))


async def content(call: Call) -> Response:
    """Return the text of a file as search sees it."""
    id_, file_id = _store_id(call), call.request.path_params["file_id"]
    await call.read(lambda c: stores.load_file(c, id_, file_id))
    text = await call.engine.library.text(id_, file_id)
    data = [{"type": "text", "text": text}] if text else []
    return reply(_page("file_content", data))


def _page(kind: str, data: list[Body], **more: Any) -> Body:
    page: Body = {"object": f"vector_store.{kind}.page", **more, "data": data}
    return {**page, "has_more": False, "next_page": None}


# Search


async def search(call: Call) -> Response:
    """Find passages in a store; several queries are searched for together."""
    id_ = _store_id(call)
    given = await call.given(Search)
    await call.read(lambda c: stores.usable(c, id_))
    asked = given["query"] if isinstance(given["query"], list) else [given["query"]]
    condition, options = given.get("filters"), given.get("ranking_options") or {}
    found = await call.engine.library.search(
        [id_],
        " ".join(asked),
        given.get("max_num_results", 10),
        options.get("score_threshold", 0.0),
        None if condition is None else fitting(condition),
        weights_of(options),
    )
    data = [
        {
            "file_id": one.file_id,
            "filename": one.filename,
            "score": one.score,
            "attributes": one.attributes,
            "content": [{"type": "text", "text": one.text}],
        }
        for one in found
    ]
    return reply(_page("search_results", data, search_query=asked))


# Batches


def _entries(given: Body) -> list[Body]:
    """Return the files of a batch, each with its settings.

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
    """Add files to a store as a batch."""
    id_ = _store_id(call)
    given = await call.given(AddBatch)
    entries = _entries(given)

    def work(connection: Connection) -> Body:
        stores.usable(connection, id_)
        _check(connection, [entry["file_id"] for entry in entries])
        return stores.add_batch(connection, id_, entries, given)

    batch = await call.write(work)
    call.engine.library.wake()
    return reply(batch)


def _batch_ids(call: Call) -> tuple[str, str]:
    return _store_id(call), call.path("batch_id", "vsfb")


async def retrieve_batch(call: Call) -> Response:
    """Return a batch."""
    ids = _batch_ids(call)
    return reply(await call.read(lambda c: stores.load_batch(c, *ids)), POLL_AFTER)


async def cancel_batch(call: Call) -> Response:
    """Cancel what is left of a batch."""
    ids = _batch_ids(call)
    return reply(await call.write(lambda c: stores.cancel_batch(c, *ids)))


async def list_batch_files(call: Call) -> Response:
    """List the files of a batch."""
    ids = _batch_ids(call)
    await call.read(lambda c: stores.load_batch(c, *ids))
    return await _list_files(call, VECTOR_STORE_FILES.c.batch_id == ids[1])
