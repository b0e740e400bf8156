"""Validation: request bodies as closed models, and their errors as the API words them.

A field of several kinds is told apart by a function whose tags begin with `TAG`, so
that tags, which are no part of a path, can be told from keys in pydantic's locations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic_core import ErrorDetails

from aoai_magic.engine.api.assistants.leniency import hint
from aoai_magic.engine.errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing_parameter,
    unknown_parameter,
)

M = TypeVar("M", bound=BaseModel)

TAG = "\x1f"

_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "int_from_float": "an integer",
}


class Closed(BaseModel):
    """A request body: strict JSON types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)

    def given(self) -> dict[str, Any]:
        """Return the keys that the client sent, as plain values."""
        return self.model_dump(exclude_unset=True, by_alias=True)


class Sparse(Closed):
    """An object within a body, where null is the same as leaving the key out."""

    @model_serializer(mode="wrap")
    def _without_nulls(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}


def check(model: type[M], given: Any) -> M:
    """Check a body.

    Raises
    ------
    ApiError
        The first thing wrong, as the service words it; unknown keys come first.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        errors.sort(key=lambda one: one["type"] != "extra_forbidden")
        raise _translate(errors[0]) from error


def _translate(error: ErrorDetails) -> ApiError:
    where, kind = path(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        return unknown_parameter(where, hint(where))
    if kind == "missing":
        return missing_parameter(where)
    if kind in _EXPECTED:
        return invalid_type(where, _EXPECTED[kind], _article(error["input"]))
    maker = _MAKERS.get(kind, _other)
    return maker(where, error)


def path(location: tuple[int | str, ...]) -> str:
    """Write a location as the API does: ``messages[0].content``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(TAG) and part != "[key]":
            text += f".{part}" if text else part
    return text


def _article(value: object) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        ((list, tuple), "an array"),
        (Mapping, "an object"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _literal(where: str, error: ErrorDetails) -> ApiError:
    expected = str(error["ctx"]["expected"]).replace(" or ", ", ")
    names = [name.strip("'") for name in expected.split(", ")]
    if isinstance(error["input"], str):
        return invalid_value(where, error["input"], names)
    return invalid_type(where, f"one of {', '.join(names)}", _article(error["input"]))


def _union(where: str, error: ErrorDetails) -> ApiError:
    """Word what no kind of a field fits; the value's ``type`` decides if it has one."""
    value = error["input"]
    if isinstance(value, Mapping) and "type" in value:
        tags = str(error["ctx"].get("expected_tags", "")).replace("\\x1f", "").replace(TAG, "")
        # A word in the place of an object is no kind of object.
        names = [tag.strip("'") for tag in tags.split(", ") if tag != "'word'"]
        return invalid_value(f"{where}.type", value["type"], names)
    if isinstance(value, Mapping):
        return missing_parameter(f"{where}.type")
    return invalid_type(where, "an object", _article(value))


def _too_much(where: str, error: ErrorDetails) -> ApiError:
    kind = "string" if error["type"] == "string_too_long" else "array"
    value, most = error["input"], error["ctx"]["max_length"]
    if isinstance(value, Mapping):
        return ApiError(
            f"Invalid '{where}': too many properties. Expected an object with at most {most} "
            f"properties, but got an object with {len(value)} properties instead.",
            param=where,
            code="object_above_max_properties",
        )
    article = f"{'an' if kind == 'array' else 'a'} {kind}"
    return ApiError(
        f"Invalid '{where}': {kind} too long. Expected {article} with maximum length {most}, "
        f"but got {article} with length {len(value)} instead.",
        param=where,
        code=f"{kind}_above_max_length",
    )


def _too_little(where: str, error: ErrorDetails) -> ApiError:
    kind = "string" if error["type"] == "string_too_short" else "array"
    article = f"{'an' if kind == 'array' else 'a'} {kind}"
    least, length = error["ctx"]["min_length"], len(error["input"])
    return ApiError(
        f"Invalid '{where}': {kind} too short. Expected {article} with minimum length {least}, "
        f"but got {article} with length {length} instead.",
        param=where,
        code=f"{kind}_below_min_length",
    )


def _bound(where: str, error: ErrorDetails) -> ApiError:
    below = error["type"] in ("greater_than_equal", "greater_than")
    kind = "integer" if isinstance(error["input"], int) else "decimal"
    bound = next(value for key, value in error["ctx"].items() if key in ("ge", "le", "gt", "lt"))
    side, limit = ("below minimum", ">=") if below else ("above maximum", "<=")
    word = "below_min" if below else "above_max"
    return ApiError(
        f"Invalid '{where}': {kind} {side} value. Expected a value {limit} {bound}, "
        f"but got {error['input']} instead.",
        param=where,
        code=f"{kind}_{word}_value",
    )


def _other(where: str, error: ErrorDetails) -> ApiError:
    cause = error.get("ctx", {}).get("error")
    text = str(cause) if cause is not None else f"Invalid '{where}': {error['msg']}."
    return ApiError(text, param=where or None, code="invalid_value")


_MAKERS: dict[str, Callable[[str, ErrorDetails], ApiError]] = {
    "literal_error": _literal,
    "union_tag_invalid": _union,
    "union_tag_not_found": _union,
    "string_too_long": _too_much,
    "too_long": _too_much,
    "string_too_short": _too_little,
    "too_short": _too_little,
    "greater_than_equal": _bound,
    "less_than_equal": _bound,
}
