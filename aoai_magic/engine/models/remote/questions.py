"""What a question is about, as far as it decides whether code has to run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aoai_magic.engine.models import pictures
from aoai_magic.engine.models.base import FAILED, Request

_HOW_TO = re.compile(
    r"\bhow (?:do|can|would|should|could) (?:i|we|you|one)\b|\bhow to\b"
    r"|\bwhat(?:'s| is) the (?:syntax|command|idiom|best way|right way)\b"
    r"|\b(?:show|tell|teach|explain to) (?:me|us) how\b|\bexplain how\b"
    r"|\b(?:give|show) (?:me |us )?(?:an? )?(?:code )?(?:example|snippet)s?\b|\bexample code\b"
    r"|どうやって|どうすれば|どのように(?:書|読|使)|書き方|使い方|やり方|読み込み方|方法を"
    r"|(?:如何|怎麼|怎么|怎樣|怎样)(?:才能|去|用|使用|寫|写|讀|读|把|將|将|安裝|安装|畫|画|合併|合并|做)"
    r"|寫法|写法|用法|語法|语法|範例程式|示例代码",
    re.IGNORECASE,
)
_WRITE_CODE = re.compile(
    r"\bwrite (?:me |us )?(?:an? |the |some )?(?:\w+ ){0,2}(?:function|class|script|program|code)\b"
    r"|関数を書|コードを書|寫一個函|写一个函|寫一段|写一段",
    re.IGNORECASE,
)

AGAIN = "No code has given a result yet, so this answer cannot come from the data."
"""How the message begins that asks a model once more; it is not the user's."""


def is_how_to(request: Request) -> bool:
    """Return whether code is asked for to be read: such code is never run.

    Without data, who asks for a function or a script wants that as well.
    """
    asked = asked_question(request)
    wants_code = bool(_WRITE_CODE.search(asked)) and not has_data(request)
    return wants_code or bool(_HOW_TO.search(asked))


def has_data(request: Request) -> bool:
    """Return whether data came with the last question."""
    return _describes_data(_questions(request)[-1:])


def is_follow_up(request: Request) -> bool:
    """Return whether the last question is not the first one."""
    return len(_questions(request)) > 1


def awaits_results(request: Request) -> bool:
    """Return whether data came, code could run, and none has given the last question a result."""
    place = max((n for n, message in enumerate(request.messages) if _asks(message)), default=0)
    outputs = [message for message in request.messages[place:] if message["role"] == "tool"]
    return (
        request.runs_python
        and request.tool_choice == "auto"
        and "response_format" not in request.options
        and all(FAILED in str(output["content"]) for output in outputs)
        and _describes_data(_questions(request))
        and not is_how_to(request)
    )


def asked_question(request: Request) -> str:
    """Return the last question as it was typed."""
    return next((text for question in _questions(request)[-1:] for text in _texts(question)), "")


def _questions(request: Request) -> list[Mapping[str, Any]]:
    return [message for message in request.messages if _asks(message)]


def _asks(message: Mapping[str, Any]) -> bool:
    again = str(message.get("content")).startswith(AGAIN)
    return message["role"] == "user" and not again and not pictures.are(message)


def _describes_data(questions: Sequence[Mapping[str, Any]]) -> bool:
    # The prompt is the first text, and a picture that the model looks at has a card too.
    return any(len(_texts(one)) > 1 + _pictures(one) for one in questions)


def _pictures(message: Mapping[str, Any]) -> int:
    content = message.get("content") or ""
    return sum(part["type"] == "image_url" for part in content if isinstance(part, Mapping))


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content") or ""
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if part.get("type") == "text"]
