"""Authentication: a token on every request, and a check of whom the request addresses.

Other users of the machine can reach a loopback port, hence the token. A page in the
user's browser can be made to reach it under a name of its own (DNS rebinding), hence
the check of the Host header.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
import stat
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from aoai_magic.engine.api.request_context import reply
from aoai_magic.engine.errors import ApiError, GatewayError

_OPEN_PATHS = ("/healthz",)
_AZURE_DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide "
    "a valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY) or in an api-key header."
)


class Authentication:
    """ASGI middleware that turns away who may not come in.

    Parameters
    ----------
    app
        What is protected.
    token
        What clients must present.
    host
        The address served; on loopback only loopback names are answered.
    """

    def __init__(self, app: ASGIApp, token: str, host: str) -> None:
        self._app = app
        self._token = token.encode()
        self._loopback = is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(error_response(refusal))
        else:
            await error_response(refusal)(scope, receive, send)

    def _refusal(self, path: str, headers: Headers) -> ApiError | None:
        if self._loopback and not is_loopback(_host(headers.get("host", ""))):
            return ApiError("The Host header does not name this machine.", status=403)
        if path in _OPEN_PATHS:
            return None
        given = _presented(headers)
        if given is not None and hmac.compare_digest(given.encode(), self._token):
            return None
        return _denied(path, given)


def _host(header: str) -> str:
    if header.startswith("["):
        return header.partition("]")[0].lstrip("[")
    return header.rpartition(":")[0] if ":" in header else header


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its own loopback interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _presented(headers: Headers) -> str | None:
    if "api-key" in headers:
        return headers["api-key"]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _denied(path: str, given: str | None) -> ApiError:
    if path.startswith("/openai"):
        return GatewayError(_AZURE_DENIED, status=401, code="401")
    if given is None:
        return ApiError(_NO_KEY, status=401)
    shown = "*" * 8 if len(given) < 12 else f"{given[:3]}{'*' * 8}{given[-4:]}"
    return ApiError(f"Incorrect API key provided: {shown}.", status=401, code="invalid_api_key")


def error_response(error: ApiError) -> Response:
    """Return an error; the SDK does not ask again for it."""
    answer = reply(error.body())
    answer.status_code = error.status
    return answer


def ensure_token(token: str | None, data_dir: Path) -> str:
    """Return the configured token, or that of the data folder, made when there is none.

    Engines that share a folder share its token; a file that others could have read or
    written does not count.
    """
    if token:
        return token
    path = data_dir / "token"
    if not _is_private(path):
        _write_token(path)
    return path.read_text()


def _is_private(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    mode = stat.S_IMODE(status.st_mode)
    ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
    return ours and mode == 0o600 and status.st_size > 0


def _write_token(path: Path) -> None:
    """Write a fresh token, whole or not at all: another engine may read at this moment."""
    half = path.with_name(f".token.{secrets.token_hex(8)}")
    with os.fdopen(os.open(half, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(secrets.token_urlsafe(32))
    half.replace(path)
