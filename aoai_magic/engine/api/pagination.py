"""Pagination: the parameters of lists and the pages that answer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import ColumnElement, Table

from aoai_magic.engine.api.request_context import Call
from aoai_magic.engine.errors import ApiError, invalid_type, invalid_value, not_found
from aoai_magic.engine.storage import store
from aoai_magic.engine.storage.objects import Body
from aoai_magic.engine.storage.store import Page


def asked(call: Call, most: int = 100, default: int = 20) -> Page:
    """Read which page a request asks for.

    Raises
    ------
    ApiError
        When ``limit`` is no number between 1 and ``most``, or ``order`` no order.
    """
    query = call.request.query_params
    order = query.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise invalid_value("order", order, ["asc", "desc"])
    return Page(
        limit=_limit(query.get("limit"), most, default),
        order=cast("Any", order),
        after=query.get("after") or None,
        before=query.get("before") or None,
    )


def _limit(text: str | None, most: int, default: int) -> int:
    if not text:
        return default
    if not text.lstrip("-").isdecimal():
        raise invalid_type("limit", "an integer", "a string")
    limit = int(text)
    if 1 <= limit <= most:
        return limit
    side, sign, bound, code = (
        ("below minimum", ">=", 1, "integer_below_min_value")
        if limit < 1
        else ("above maximum", "<=", most, "integer_above_max_value")
    )
    raise ApiError(
        f"Invalid 'limit': integer {side} value. Expected a value {sign} {bound}, "
        f"but got {limit} instead.",
        param="limit",
        code=code,
    )


async def listing(
    call: Call, table: Table, noun: str, *where: ColumnElement[bool], page: Page | None = None
) -> Body:
    """Return the page that a list request asks for."""
    wanted = page or asked(call)
    try:
        data, more = await call.read(lambda c: store.page(c, table, wanted, *where))
    except LookupError as error:
        raise not_found(noun, str(error.args[0])) from error
    return as_list(data, more)


def as_list(data: list[Body], more: bool = False) -> Body:
    """Make a page."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def cut(
    call: Call, ids: list[str], noun: str, show: Callable[[str], Body], most: int = 100
) -> Body:
    """Return a page of a list of ids that an object holds, oldest first."""
    page = asked(call, most)
    ordered = ids if page.order == "asc" else ids[::-1]
    for bound in (page.after, page.before):
        if bound is not None and bound not in ordered:
            raise not_found(noun, bound)
    start = ordered.index(page.after) + 1 if page.after else 0
    end = ordered.index(page.before) if page.before else len(ordered)
    chosen = ordered[start:end]
    return as_list([show(id_) for id_ in chosen[: page.limit]], len(chosen) > page.limit)
