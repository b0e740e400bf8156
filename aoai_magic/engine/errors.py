"""The API's errors: one exception, and a named constructor for each known case.

The texts are the service's own; clients match on them.
"""

from __future__ import annotations

from typing import Any


class StoreError(RuntimeError):
    """The database or the files cannot be used; the text says why."""


class ApiError(Exception):
    """A request that cannot be served; becomes ``{"error": {...}}`` on the wire.

    Attributes
    ----------
    status
        HTTP status.
    message, type, param, code
        The four keys of the error object.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002 - the wire's name
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code
        self.type = type

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        keys = ("message", "type", "param", "code")
        return {"error": {key: getattr(self, key) for key in keys}}


class GatewayError(ApiError):
    """An error of Azure's gateway, whose body has neither type nor param."""

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": {"code": self.code, "message": self.message}}


def unknown_parameter(path: str, hint: str = "") -> ApiError:
    """Refuse a key that the endpoint does not know."""
    message = f"Unknown parameter: '{path}'."
    return ApiError(f"{message} {hint}".rstrip(), param=path, code="unknown_parameter")


def missing_parameter(path: str) -> ApiError:
    """Refuse a body without a required key."""
    text = f"Missing required parameter: '{path}'."
    return ApiError(text, param=path, code="missing_required_parameter")


def invalid_type(path: str, expected: str, got: str) -> ApiError:
    """Refuse a value of the wrong JSON type; both types come with their article."""
    text = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    return ApiError(text, param=path, code="invalid_type")


def invalid_value(path: str, value: object, supported: list[str]) -> ApiError:
    """Refuse a string that is none of the supported ones."""
    names = [f"'{name}'" for name in supported]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"
    listed = listed.replace(", and", " and") if len(names) == 2 else listed
    text = f"Invalid value: '{value}'. Supported values are: {listed}."
    return ApiError(text, param=path, code="invalid_value")


def invalid_id(path: str, value: str, prefix: str) -> ApiError:
    """Refuse an id that cannot be one."""
    text = f"Invalid '{path}': '{value}'. Expected an ID that begins with '{prefix}'."
    return ApiError(text, param=path, code="invalid_value")


def not_found(noun: str, id: str) -> ApiError:  # noqa: A002
    """Describe that nothing has that id; ``noun`` as in ``No assistant found with id …``."""
    return ApiError(f"No {noun} found with id '{id}'.", status=404)


def file_not_found(id: str, param: str | None = "id") -> ApiError:  # noqa: A002
    """Describe that no file has that id."""
    return ApiError(f"No such File object: {id}", status=404, param=param)


def resource_not_found() -> ApiError:
    """Return the error for a path or API version that Azure's gateway does not route."""
    return GatewayError("Resource not found", status=404, code="404")


def invalid_url(method: str, path: str) -> ApiError:
    """Return the error for a path that the API does not have."""
    return ApiError(f"Invalid URL ({method} {path})", status=404)


def method_not_allowed(method: str, path: str) -> ApiError:
    """Return the error for a known path with a method that it does not take."""
    text = (
        f"Not allowed to {method} on {path}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)"
    )
    return ApiError(text, status=405, code="method_not_supported")


def too_large(limit: int) -> ApiError:
    """Refuse a body over the limit in bytes."""
    text = f"The request body is larger than the maximum of {limit} bytes."
    return ApiError(text, status=413)


def server_error(id: str) -> ApiError:  # noqa: A002
    """Return the error for the engine's own fault; the log has it under the request's id."""
    text = (
        "The server had an error while processing your request. Sorry about that! "
        f"(Please look for {id} in the engine's log.)"
    )
    return ApiError(text, status=500, type="server_error", code="server_error")
