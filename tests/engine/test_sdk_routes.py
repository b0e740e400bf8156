"""Every call that the SDK has, made for real: an answer or the API's own error, never a fault."""

from __future__ import annotations

import inspect
from contextlib import suppress

import pytest
from openai import APIError

SENDS = {"_get", "_post", "_put", "_patch", "_delete", "_get_api_list"}
ARGUMENTS = {"int": 1, "float": 1.0, "bool": True, "Dict": {}, "object": {}}


def calls(resource, path=""):
    """Yield the SDK's methods that send a request, with where they are."""
    for name, kind in inspect.getmembers(type(resource)):
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(kind):
            if SENDS & {*inspect.unwrap(kind).__code__.co_names}:
                yield f"{path}.{name}", getattr(resource, name)
        elif hasattr(value := getattr(resource, name), "_client"):
            yield from calls(value, f"{path}.{name}")


def argument(parameter):
    """Make up an argument of about the right type."""
    words = str(parameter.annotation)
    if "FileTypes" in words:
        return b"x"
    if words.startswith(("Iterable", "SequenceNotStr", "List", "Union[SequenceNotStr")):
        return []
    if words.endswith(("Param", "Params")) or "." in words.split("[")[0]:
        return {}
    return next((value for word, value in ARGUMENTS.items() if words.startswith(word)), "x")


def needed(method):
    parameters = inspect.signature(method).parameters.values()
    return {one.name: argument(one) for one in parameters if one.default is one.empty}


@pytest.mark.lengthy
@pytest.mark.once  # an older SDK has fewer calls
@pytest.mark.parametrize("form", ["openai", "azure"])
def test_every_call_of_the_sdk_gets_an_answer_or_an_error_of_the_api(engine, form):
    client = getattr(engine, form)()
    seen = {}
    client._client.event_hooks["request"].append(lambda one: seen.update(sent=one))
    client._client.event_hooks["response"].append(lambda one: seen.update(answer=one))
    made = 0
    for name, method in calls(client):
        seen.clear()
        with suppress(APIError, TypeError, ValueError, RuntimeError):  # the last are the SDK's own
            answer = method(**needed(method))
            if hasattr(answer, "close"):
                answer.close()
        if "sent" not in seen:
            continue
        made += 1
        answer = seen["answer"]
        assert answer.status_code < 500, name
        assert "html" not in answer.headers["content-type"], name
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"], name
    assert made > 150
