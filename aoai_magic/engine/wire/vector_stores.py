"""Vector stores in tool resources."""

from __future__ import annotations

from sqlalchemy import Connection

from aoai_magic.engine.objects import Body


def resolve(connection: Connection, resources: Body) -> Body:
    """Turn the resources of a request into those of an object."""
    return {
        key: {"file_ids": [], **value} if key == "code_interpreter" else value
        for key, value in resources.items()
        if value is not None
    }
