"""References: the ids that request bodies name, checked before anything is created."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from aoai_magic.engine import store
from aoai_magic.engine.errors import file_not_found, invalid_id, not_found
from aoai_magic.engine.files import find
from aoai_magic.engine.ids import FILE_PREFIXES
from aoai_magic.engine.objects import Body
from aoai_magic.engine.tables import VECTOR_STORES


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
    """Give the file ids of tool resources, with their paths."""
    code = (resources or {}).get("code_interpreter") or {}
    for index, id_ in enumerate(code.get("file_ids") or ()):
        yield f"{prefix}tool_resources.code_interpreter.file_ids[{index}]", id_


def in_message(message: Body, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Give the file ids of a message, with their paths."""
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
