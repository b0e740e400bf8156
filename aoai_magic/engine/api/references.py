"""References: the ids that request bodies name, checked before anything is created."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from sqlalchemy import Connection

from aoai_magic.engine.errors import ApiError, file_not_found, invalid_id, not_found
from aoai_magic.engine.search.reading import SEARCHABLE, searchable
from aoai_magic.engine.storage import store
from aoai_magic.engine.storage.files import find
from aoai_magic.engine.storage.ids import FILE_PREFIXES
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.schema import VECTOR_STORES


def check_files(connection: Connection, named: list[tuple[str, str]]) -> dict[str, Body]:
    """Check that file ids, each with the path it stands at, are those of files.

    Raises
    ------
    ApiError
        For the first that is no file id, or of no file.
    """
    for path, id_ in named:
        if not id_.startswith(FILE_PREFIXES):
            raise invalid_id(path, id_, "file")
    found = find(connection, [id_ for _, id_ in named]) if named else {}
    for path, id_ in named:
        if id_ not in found:
            raise file_not_found(id_, path)
    return found


def in_resources(resources: Body | None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the file ids of tool resources, with their paths."""
    code = (resources or {}).get("code_interpreter") or {}
    for index, id_ in enumerate(code.get("file_ids") or ()):
        yield f"{prefix}tool_resources.code_interpreter.file_ids[{index}]", id_
    search = (resources or {}).get("file_search") or {}
    for number, new in enumerate(search.get("vector_stores") or ()):
        for index, id_ in enumerate(new.get("file_ids") or ()):
            path = f"tool_resources.file_search.vector_stores[{number}].file_ids[{index}]"
            yield prefix + path, id_


def in_message(message: Body, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the file ids of a message, with their paths."""
    for index, entry in enumerate(message.get("attachments") or ()):
        yield f"{prefix}attachments[{index}].file_id", entry["file_id"]
    content = message["content"]
    for index, part in enumerate(content if isinstance(content, list) else ()):
        if part["type"] == "image_file":
            yield f"{prefix}content[{index}].image_file.file_id", part["image_file"]["file_id"]


def check_stores(connection: Connection, resources: Body | None, prefix: str = "") -> None:
    """Check that the vector stores of tool resources exist."""
    search = (resources or {}).get("file_search") or {}
    for index, id_ in enumerate(search.get("vector_store_ids") or ()):
        if not id_.startswith("vs"):
            path = f"{prefix}tool_resources.file_search.vector_store_ids[{index}]"
            raise invalid_id(path, id_, "vs")
        if store.get(connection, VECTOR_STORES, id_) is None:
            raise not_found("vector store", id_)


def check_searchable(found: dict[str, Body], messages: list[tuple[str, Body]]) -> None:
    """Check that what messages attach for file search can be searched.

    ``messages`` are those of a request, each with the path that it stands at.
    """
    for prefix, message in messages:
        for index, entry in enumerate(message.get("attachments") or ()):
            filename = found[entry["file_id"]]["filename"]
            if _for_search(entry) and not searchable(filename):
                suffix = PurePosixPath(filename).suffix or "none"
                raise ApiError(
                    f"Files with extensions [{suffix}] are not supported for file_search. "
                    f"Supported are: {', '.join(sorted(SEARCHABLE))}.",
                    param=f"{prefix}attachments[{index}].file_id",
                    code="unsupported_file",
                )


def _for_search(attachment: Body) -> bool:
    return any(tool["type"] == "file_search" for tool in attachment["tools"])
