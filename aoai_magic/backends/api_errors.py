"""Refusals: what a service would not do, in sentences that say what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aoai_magic.locale import gettext as _
from aoai_magic.shared.openai_errors import filtered_categories

if TYPE_CHECKING:
    import openai


_LACKS_TOOL = re.compile(
    r"(code_interpreter|code interpreter|\btools?\b|container).{0,80}"
    r"(not (supported|available|enabled)|unsupported|unavailable)"
    r"|(not support|unsupported).{0,60}(code_interpreter|code interpreter|\btools?\b|container)",
    re.IGNORECASE | re.DOTALL,
)


def remedy(error: openai.APIStatusError, model: str) -> str:
    """Describe what to do about a refusal; empty where only the service's own words help."""
    body = error.body if isinstance(error.body, Mapping) else {}
    code = str(error.code or body.get("code") or "")
    if error.status_code == 401:
        return _("The service did not accept the key; check the variable that holds it")
    if error.status_code == 403:
        return _(
            "The identity lacks a role such as Cognitive Services OpenAI User, or the "
            "network is not let in; have it assigned ({reason})"
        ).format(reason=str(error.message)[:300])
    if code in ("DeploymentNotFound", "model_not_found"):
        return _(
            "There is no deployment or model {model!r} there; name one that is with -m"
        ).format(model=model)
    if error.status_code == 404 and (code == "404" or "invalid url" in str(error.message).lower()):
        return _(
            "The endpoint does not serve the Responses API; check its address, or use --on local"
        )
    if _LACKS_TOOL.search(str(error.message)):
        tool = "file_search" if "file_search" in str(error.message) else "code_interpreter"
        return _(
            "The region or the model of {model!r} does not offer {tool}; name another "
            "deployment with -m, or use --on local, where code and search run on this machine"
        ).format(model=model, tool=tool)
    if "content_filter" in code or "content management policy" in str(error.message):
        found = ", ".join(sorted(filtered_categories(body)))
        detail = f" ({found})" if found else ""
        return _(
            "The service's content filter refused the question{detail}; put it differently"
        ).format(detail=detail)
    return ""


def filtered(response: Any) -> str:
    """Describe that the content filter stopped an answer, and for which categories."""
    categories = ", ".join(sorted(filtered_categories(getattr(response, "content_filters", None))))
    found = f" ({categories})" if categories else ""
    return _(
        "The service's content filter stopped the answer{found}; put the question differently."
    ).format(found=found)


def sentence(text: str) -> str:
    """Return a text with the full stop of a sentence."""
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text}."
