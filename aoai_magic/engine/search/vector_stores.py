"""Vector stores: collections of files to be searched; what they hold and their state.

A file waits, as ``in_progress``, until search has looked into it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from aoai_magic.engine.errors import ApiError, not_found
from aoai_magic.engine.search.reading import searchable
from aoai_magic.engine.storage import files, store
from aoai_magic.engine.storage.ids import new_id, now, now_ns
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import VECTOR_STORE_BATCHES, VECTOR_STORE_FILES, VECTOR_STORES

_DAY = 86_400
_STATES = ("in_progress", "completed", "failed", "cancelled")
_MOST_FILES = 10_000
_STATIC: Body = {
    "type": "static",
    "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
}


def create(connection: Connection, given: Body) -> Body:
    """Store a new vector store with the files given, which have to exist."""
    created = now()
    body: Body = {
        "id": new_id("vs_"),
        "object": "vector_store",
        "created_at": created,
        "name": given.get("name") or "",
        "usage_bytes": 0,
        "status": "completed",
        "expires_after": given.get("expires_after"),
        "expires_at": None,
        "last_active_at": created,
        "metadata": given.get("metadata") or {},
    }
    store.add(connection, VECTOR_STORES, body)
    entries = [{"file_id": id_} for id_ in given.get("file_ids") or ()]
    add_files(connection, body["id"], entries, given.get("chunking_strategy"))
    return load(connection, body["id"])


def load(connection: Connection, id_: str) -> Body:
    """Return a vector store as it is now.

    Raises
    ------
    ApiError
        When there is none.
    """
    return shown(connection, held(connection, id_))


def held(connection: Connection, id_: str) -> Body:
    """Return a vector store as it is stored, without counting its files.

    Raises
    ------
    ApiError
        When there is none.
    """
    body = store.get(connection, VECTOR_STORES, id_)
    if body is None:
        raise not_found("vector store", id_)
    return body


def usable(connection: Connection, id_: str) -> Body:
    """Return a vector store as it is stored, which files can be added to and searched in.

    Raises
    ------
    ApiError
        When there is none, or it has expired.
    """
    body = held(connection, id_)
    if _has_expired(body):
        raise ApiError(f"Vector store {id_} is expired.", code="vector_store_expired")
    return body


def _expires_at(body: Body) -> int | None:
    after = body["expires_after"]
    return body["last_active_at"] + after["days"] * _DAY if after else None


def _has_expired(body: Body) -> bool:
    expires = _expires_at(body)
    return expires is not None and expires <= now()


def shown(connection: Connection, body: Body) -> Body:
    """Add to a stored vector store what follows from its files and the time."""
    counts, size = _count(connection, VECTOR_STORE_FILES.c.vector_store_id == body["id"])
    status = "in_progress" if counts["in_progress"] else "completed"
    return {
        **body,
        "usage_bytes": size,
        "file_counts": counts,
        "status": "expired" if _has_expired(body) else status,
        "expires_at": _expires_at(body),
    }


def _count(connection: Connection, where: Any) -> tuple[Body, int]:
    table = VECTOR_STORE_FILES
    query = select(table.c.status, func.count(), func.sum(table.c.bytes)).where(where)
    rows = connection.execute(query.group_by(table.c.status)).all()
    counts = dict.fromkeys(_STATES, 0) | {status: count for status, count, _ in rows}
    counts["total"] = sum(counts.values())
    return counts, int(sum(size or 0 for status, _, size in rows if status == "completed"))


def remove(connection: Connection, id_: str) -> None:
    """Delete a vector store; its files stay files."""
    for table in (VECTOR_STORE_FILES, VECTOR_STORE_BATCHES):
        connection.execute(delete(table).where(table.c.vector_store_id == id_))
    connection.execute(delete(VECTOR_STORES).where(VECTOR_STORES.c.id == id_))


def add_files(
    connection: Connection,
    store_id: str,
    entries: Iterable[Body],
    chunking: Body | None,
    batch_id: str | None = None,
) -> None:
    """Add files to a vector store; those that are in it are replaced.

    ``entries`` have a ``file_id`` and may have ``attributes`` and ``chunking_strategy``.

    Raises
    ------
    ApiError
        When the store would hold more files than a store may.
    """
    wanted = {entry["file_id"]: entry for entry in entries}
    _check_room(connection, store_id, len(wanted))
    found = files.find(connection, list(wanted)) if wanted else {}
    rows = [
        _row(store_id, found[id_], {"chunking_strategy": chunking, **entry}, batch_id)
        for id_, entry in wanted.items()
        if id_ in found
    ]
    table = VECTOR_STORE_FILES
    ids = [row["id"] for row in rows]
    same = (table.c.vector_store_id == store_id, table.c.id.in_(ids))
    connection.execute(delete(table).where(*same))
    if rows:
        connection.execute(insert(table), rows)
        store.patch(connection, VECTOR_STORES, store_id, {"last_active_at": now()})


def _check_room(connection: Connection, store_id: str, more: int) -> None:
    same = VECTOR_STORE_FILES.c.vector_store_id == store_id
    count = connection.execute(select(func.count()).where(same)).scalar_one() if more else 0
    if count + more > _MOST_FILES:
        raise ApiError(f"A vector store holds at most {_MOST_FILES} files; {store_id} has {count}.")


def _row(store_id: str, file: Body, entry: Body, batch_id: str | None) -> Body:
    readable = searchable(file["filename"])
    error = {"code": "unsupported_file", "message": "The file type is not supported."}
    chunking = entry["chunking_strategy"]
    status = "in_progress" if readable else "failed"
    body = {
        "id": file["id"],
        "object": "vector_store.file",
        "usage_bytes": 0,
        "created_at": now(),
        "vector_store_id": store_id,
        "status": status,
        "last_error": None if readable else error,
        "chunking_strategy": chunking if (chunking or {}).get("type") == "static" else _STATIC,
        "attributes": entry.get("attributes") or {},
    }
    return {
        "id": file["id"],
        "at": now_ns(),
        "body": body,
        "vector_store_id": store_id,
        "batch_id": batch_id,
        "status": status,
        "bytes": file["bytes"],
    }


def load_file(connection: Connection, store_id: str, file_id: str) -> Body:
    """Return a file of a vector store.

    Raises
    ------
    ApiError
        When there is no such store, or no such file in it.
    """
    held(connection, store_id)
    table = VECTOR_STORE_FILES
    row = store.row(connection, table, table.c.vector_store_id == store_id, table.c.id == file_id)
    if row is None:
        raise not_found("file", file_id)
    return dict(row.body)


def requeue(connection: Connection, store_id: str, file_ids: Collection[str] | None = None) -> None:
    """Queue the files of a store, or these of them, to be indexed again."""
    table = VECTOR_STORE_FILES
    done = (table.c.vector_store_id == store_id, table.c.status == "completed")
    if file_ids is not None and not file_ids:
        return
    found = connection.execute(select(table.c.id, table.c.seq, table.c.body).where(*done)).all()
    for id_, seq, body in found:
        if file_ids is not None and id_ not in file_ids:
            continue
        values = {"body": {**body, "status": "in_progress"}, "status": "in_progress"}
        connection.execute(update(table).where(table.c.seq == seq).values(values))


def hidden(connection: Connection, thread_id: str, file_ids: Iterable[str]) -> str:
    """Fill the store that no list shows, for retrieval over a thread's files; gives its id.

    Version 1 of the API has no vector stores: there, retrieval searches the files that
    assistant and messages name.
    """
    id_ = hidden_id(thread_id)
    held, wanted = holding(connection, id_), set(file_ids)
    add_files(connection, id_, [{"file_id": file_id} for file_id in wanted - held], None)
    return id_


def hidden_id(thread_id: str) -> str:
    """Return the id of a thread's store for retrieval."""
    return f"vs_of_{thread_id}"


def holding(connection: Connection, store_id: str) -> set[str]:
    """Return the ids of the files that a store holds."""
    table = VECTOR_STORE_FILES
    query = select(table.c.id).where(table.c.vector_store_id == store_id)
    return set(connection.execute(query).scalars())


def stores_of(connection: Connection, file_id: str) -> list[str]:
    """Return the ids of the stores that hold a file."""
    table = VECTOR_STORE_FILES
    query = select(table.c.vector_store_id).where(table.c.id == file_id)
    return list(connection.execute(query).scalars())


def remove_file(connection: Connection, file_id: str, store_ids: Iterable[str]) -> None:
    """Remove a file from stores; the file itself stays."""
    table = VECTOR_STORE_FILES
    held = (table.c.id == file_id, table.c.vector_store_id.in_(list(store_ids)))
    connection.execute(delete(table).where(*held))


def names(connection: Connection, store_ids: Iterable[str], most: int) -> list[str]:
    """Return the names of files that stores hold, the newest first."""
    table = VECTOR_STORE_FILES
    held = table.c.vector_store_id.in_(list(store_ids))
    query = select(table.c.id).where(held, table.c.status != "failed")
    ids = connection.execute(query.order_by(table.c.seq.desc()).limit(most)).scalars()
    return [body["filename"] for body in files.find(connection, list(ids)).values()]


def add_batch(connection: Connection, store_id: str, entries: list[Body], given: Body) -> Body:
    """Add files to a vector store as a batch."""
    batch: Body = {
        "id": new_id("vsfb_"),
        "object": "vector_store.files_batch",
        "created_at": now(),
        "vector_store_id": store_id,
        "status": "completed",
    }
    store.add(connection, VECTOR_STORE_BATCHES, batch, vector_store_id=store_id)
    add_files(connection, store_id, entries, given.get("chunking_strategy"), batch["id"])
    return load_batch(connection, store_id, batch["id"])


def load_batch(connection: Connection, store_id: str, batch_id: str) -> Body:
    """Return a batch as it is now.

    Raises
    ------
    ApiError
        When there is no such store or batch.
    """
    load(connection, store_id)
    body = store.get(connection, VECTOR_STORE_BATCHES, batch_id)
    if body is None or body["vector_store_id"] != store_id:
        raise not_found("file batch", batch_id)
    counts, _ = _count(connection, VECTOR_STORE_FILES.c.batch_id == batch_id)
    status = "in_progress" if counts["in_progress"] else body["status"]
    return {**body, "status": status, "file_counts": counts}


def cancel_batch(connection: Connection, store_id: str, batch_id: str) -> Body:
    """Cancel the files of a batch that are not being indexed yet.

    Raises
    ------
    ApiError
        When there is no such store or batch, or nothing of it is left to be done.
    """
    batch = load_batch(connection, store_id, batch_id)
    if batch["status"] != "in_progress":
        raise ApiError(f"Cannot cancel file batch with status '{batch['status']}'.")
    table = VECTOR_STORE_FILES
    waiting = (table.c.batch_id == batch_id, table.c.status == "in_progress")
    for seq, body in connection.execute(select(table.c.seq, table.c.body).where(*waiting)).all():
        values = {"body": {**body, "status": "cancelled"}, "status": "cancelled"}
        connection.execute(update(table).where(table.c.seq == seq).values(values))
    store.patch(connection, VECTOR_STORE_BATCHES, batch_id, {"status": "cancelled"})
    return load_batch(connection, store_id, batch_id)


def resolve(connection: Connection, resources: Body) -> Body:
    """Turn the tool resources of a request into those of an object.

    A vector store that is described there is created.
    """
    resolved: Body = {}
    code, search = resources.get("code_interpreter"), resources.get("file_search")
    if code is not None:
        resolved["code_interpreter"] = {"file_ids": list(code.get("file_ids") or ())}
    if search is not None:
        made = [create(connection, given)["id"] for given in search.get("vector_stores") or ()]
        ids = [*(search.get("vector_store_ids") or ()), *made]
        resolved["file_search"] = {"vector_store_ids": ids}
    return resolved
