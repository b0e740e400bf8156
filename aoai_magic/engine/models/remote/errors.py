"""The one seam at which the SDK's errors become sentences for the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aoai_magic.engine.models.base import ModelError
from aoai_magic.shared.openai_errors import filtered_categories

if TYPE_CHECKING:
    from aoai_magic.engine.models.remote.endpoint import Endpoint

EMPTY = "The model's answer was empty; ask again, or use another model."

_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|too many tokens|prompt is too long"
    r"|exceeds? the (available )?context",
    re.IGNORECASE,
)
_NO_TOOLS = re.compile(
    r"does(n't| not) support (the )?(tools?|functions?)\b"
    r"|(tools?|functions?)( use| calling| calls)? (is|are) not supported"
    r"|no endpoints found that support tool"
    r"|tool choice requires|tools param requires|enable-auto-tool-choice"
    r"|(unrecognized|unknown|unsupported|extra)[^.]{0,60}\b(tools|functions)\b",
    re.IGNORECASE,
)
_NO_PICTURES = re.compile(
    r"image|vision|multi-?modal|mmproj|picture|content.{0,40}(must be|should be|expected).{0,20}str"
    r"|invalid type: sequence",
    re.IGNORECASE,
)
_LONGEST = re.compile(
    r"(?:maximum|max|available|limit|length|size|window|n_ctx)[^.\d]{0,60}?(\d{3,7})", re.IGNORECASE
)
_TAKES_RESPONSES = re.compile(
    r"v1/responses|responses api instead|chat\W?completions? operation does not work", re.IGNORECASE
)
_TAKES_CHAT = re.compile(
    r"v1/chat/completions|responses operation does not work"
    r"|not supported (with|by|in) (the )?(v1/)?responses",
    re.IGNORECASE,
)
_NO_STREAM = re.compile(
    r"\bstream(ing)?\b['\"`]?[^.]{0,40}(not|un)\W?(supported|available|allowed|enabled|implemented)"
    r"|(not|n't) support[^.]{0,20}\bstream(ing)?\b"
    r"|(unrecognized|unknown|unsupported|extra)[^.]{0,60}\bstream\b",
    re.IGNORECASE,
)
_EFFORT = re.compile(r"reasoning[._ ]effort|\beffort\b|['\"`]think(ing)?['\"`]", re.IGNORECASE)
_EFFORT_PARAMETERS = frozenset({"reasoning_effort", "reasoning.effort", "reasoning"})
_LEVELS = re.compile(
    r"(?:supported values|one of|should be|must be|expected|allowed)(.*)", re.I | re.S
)
_UNREADABLE = re.compile(r"encrypted content.{0,80}could not be|invalid_encrypted", re.I | re.S)
_NAMES_MODEL = re.compile(r"\b(model|deployment)", re.IGNORECASE)
_LONGEST_QUOTE = 300
_TRANSPORT_PACKAGES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "anyio", "ssl"})


class StreamFailureError(Exception):
    """A failure that stood in the stream, with the keys that the SDK's errors have."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class UnfinishedError(ConnectionError):
    """The stream ended before the answer did."""


def is_fault(error: Exception) -> bool:
    """Return whether the error comes from the server or network, and not from our own code."""
    from openai import OpenAIError

    # While a stream is read the SDK lets errors of the HTTP library and of the JSON
    # parser through.
    known = (OpenAIError, OSError, ValueError, StreamFailureError)
    return isinstance(error, known) or is_transport(error)


def is_transport(error: Exception) -> bool:
    """Return whether the error is the HTTP library's, by its name: httpx or httpx2."""
    return type(error).__module__.partition(".")[0] in _TRANSPORT_PACKAGES


def refuses_tools(error: Exception) -> bool:
    """Return whether the server says that it, or the model, can call no tools at all."""
    return _status(error) in {400, 404, 422, 500, 501} and bool(_NO_TOOLS.search(_message(error)))


def refuses_pictures(error: Exception) -> bool:
    """Return whether the server says that it, or the model, takes no pictures."""
    return _status(error) in {400, 404, 415, 422, 500, 501} and bool(
        _NO_PICTURES.search(_message(error))
    )


def closed_route(error: Exception, api: str) -> str | None:
    """Return why an API of the server cannot be used, None where the error says no such thing.

    ``tools`` is that function tools have to be sent over the other API, ``missing`` that this
    one is not there, or not for this model.
    """
    message = _message(error)
    if _status(error) in {400, 404, 422}:
        if api == "chat" and _TAKES_RESPONSES.search(message):
            return "tools" if re.search("tool|function", message, re.IGNORECASE) else "missing"
        if api == "responses" and _TAKES_CHAT.search(message):
            return "missing"
    missing = _status(error) in {404, 405, 501} and not _names_model(error)
    missing = missing and not refuses_tools(error)
    return "missing" if missing else None


def refuses_streaming(error: Exception) -> bool:
    """Return whether the server says that it cannot stream."""
    return _status(error) in {400, 404, 422, 501} and bool(_NO_STREAM.search(_message(error)))


def refuses_effort(error: Exception) -> bool:
    """Return whether the server refuses the reasoning effort, or that there is one."""
    if _status(error) not in {400, 422}:
        return False
    param = getattr(error, "param", None)
    return param in _EFFORT_PARAMETERS or bool(_EFFORT.search(_message(error)))


def refuses_reasoning_items(error: Exception) -> bool:
    """Return whether the server cannot read reasoning that was sent back, e.g. another key's."""
    text = f"{_code(error)} {_message(error)}"
    return _status(error) == 400 and bool(_UNREADABLE.search(text))


def refuses_encrypted_reasoning(error: Exception) -> bool:
    """Return whether the model has no reasoning that could be handed out."""
    return _status(error) == 400 and bool(
        re.search(r"encrypted content is not supported", _message(error), re.IGNORECASE)
    )


def effort_refusal(error: Exception, endpoint: Endpoint, effort: str) -> ModelError:
    """Return the sentence for an effort that is not taken; it names those that are."""
    place = f"{endpoint.kind} {endpoint.model!r} at {endpoint.url}"
    found = _LEVELS.search(_message(error))
    levels = re.findall(r"['\"`](\w{2,12})['\"`]", found[1]) if found else []
    levels = [level for level in dict.fromkeys(levels) if level != effort]
    if levels:
        named = ", ".join(levels)
        return ModelError(f"The {place} does not take the effort {effort!r}; it takes {named}.")
    if re.search(
        "unsupported parameter|unknown|unrecognized|extra|does not (take|support)",
        _message(error),
        re.IGNORECASE,
    ):
        return ModelError(f"The {place} takes no reasoning effort; leave it out.")
    quote = _quote(error, endpoint.secrets)
    return ModelError(f"The {place} does not take the effort {effort!r}: {quote}")


def is_too_long(error: Exception) -> bool:
    """Return whether the conversation is too long for the model."""
    return _code(error) == "context_length_exceeded" or bool(
        _status(error) in {400, 413, 422, 500} and _TOO_LONG.search(_message(error))
    )


def longest(error: Exception) -> int | None:
    """Return the tokens that the model takes, where the error says so."""
    found = _LONGEST.search(_message(error))
    return int(found[1]) if found else None


def refused_parameter(error: Exception, names: set[str]) -> str | None:
    """Return the parameter that the server does not know or support, if it is one of `names`."""
    if _status(error) not in {400, 422}:
        return None
    named = str(getattr(error, "param", None)).partition("[")[0]
    if named in names:
        return named
    if _TOO_LONG.search(_message(error)):
        return None
    return next(
        (n for n in sorted(names) if re.search(rf"\b{re.escape(n)}\b", _message(error))), None
    )


def describe(error: Exception, endpoint: Endpoint, *, started: bool) -> ModelError:
    """Return what happened and what to do in one sentence; `started` if the answer had started."""
    import openai

    place = f"{endpoint.kind} {endpoint.model!r} at {endpoint.url}"
    if isinstance(error, openai.APITimeoutError):
        return ModelError(f"The {place} did not answer in time; try again.")
    if isinstance(error, openai.APIConnectionError) and not started:
        return ModelError(
            f"There is no connection to {endpoint.url} ({_cause(error)}); "
            f"{endpoint.advice.unreachable}."
        )
    if isinstance(error, StreamFailureError):
        return _refusal(error, endpoint, place)
    # Newer SDKs wrap what breaks a stream as a connection error, older ones let it through.
    if not isinstance(error, openai.APIError) or isinstance(error, openai.APIConnectionError):
        return ModelError(f"The answer of the {place} broke off ({_cause(error)}); try again.")
    return _refusal(error, endpoint, place)


def _refusal(error: Exception, endpoint: Endpoint, place: str) -> ModelError:
    status = _status(error)
    quote = _quote(error, endpoint.secrets)
    if status == 401:
        return ModelError(f"{endpoint.url} refused the key; set {endpoint.key_variable}.")
    if status == 403:
        return ModelError(
            f"The key or identity may not use the {place}, on Azure for want of a role such as "
            f"Cognitive Services OpenAI User: {quote}"
        )
    if status == 404 and _names_model(error):
        return ModelError(f"There is no {place} (404); {endpoint.advice.unknown_model}.")
    if status in (404, 405):
        return ModelError(
            f"{endpoint.url} has neither /chat/completions nor /responses ({status}); "
            f"{endpoint.advice.unreachable} (an address mostly ends with /v1)."
        )
    if status == 429 or _code(error) in ("rate_limit_exceeded", "insufficient_quota"):
        return ModelError(
            f"The {place} takes no more calls for now{_pause(error)}: {quote}",
            "rate_limit_exceeded",
        )
    if is_too_long(error):
        return ModelError(
            f"The conversation is too long for the {place}; start a new thread or attach less.",
            "invalid_prompt",
        )
    if _code(error) == "content_filter":
        found = ", ".join(sorted(filtered_categories(getattr(error, "body", None))))
        why = f" ({found})" if found else ""
        return ModelError(
            f"The content filter of the {place} refused the prompt{why}; reword it.",
            "invalid_prompt",
        )
    number = f" (status {status})" if status else ""
    return ModelError(f"The {place} failed{number}: {quote}")


def _names_model(error: Exception) -> bool:
    # The path of the request may hold the word, or the model's name, too.
    text = re.sub(r"/\S*", "", f"{_code(error)} {_message(error)}")
    return bool(_NAMES_MODEL.search(text))


def _status(error: Exception) -> int | None:
    return getattr(error, "status_code", None)


def _code(error: Exception) -> Any:
    return getattr(error, "code", None)


def _message(error: Exception) -> str:
    """Return the server's words; older SDKs put the whole body into the error's own message."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping) and body.get("message"):
        return str(body["message"])
    return body if body and isinstance(body, str) else str(getattr(error, "message", error))


def _quote(error: Exception, secrets: tuple[str, ...]) -> str:
    """Return the server's own words, bounded, on one line, without the key."""
    text = " ".join(_message(error).split())
    for secret in secrets:
        text = text.replace(secret, "***")
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _cause(error: BaseException) -> str:
    """Name the innermost reason that says anything: the outer ones only say "failed"."""
    reason = type(error).__name__
    inner: BaseException | None = error
    while inner is not None:
        reason = str(inner) or reason
        inner = inner.__cause__ or inner.__context__
    return " ".join(reason.split())[:_LONGEST_QUOTE]


def _pause(error: Exception) -> str:
    response = getattr(error, "response", None)
    seconds = response.headers.get("retry-after") if response is not None else None
    return f" (try again in {seconds} s)" if seconds and seconds.isdigit() else ""
