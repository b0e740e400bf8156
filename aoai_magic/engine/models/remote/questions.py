"""What a question is about, as far as it decides whether code has to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aoai_magic.engine.models.base import Request
from aoai_magic.engine.models.remote.conversation import offers_python

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


def is_how_to(request: Request) -> bool:
    """Return whether code is asked for to be read: such code is never run.

    Without data, who asks for a function or a script wants that as well.
    """
    asked = _question(request)
    wants_code = bool(_WRITE_CODE.search(asked)) and not has_data(request)
    return wants_code or bool(_HOW_TO.search(asked))


def has_data(request: Request) -> bool:
    """Return whether data came with the last question."""
    content = _last_question(request).get("content")
    if content is None or isinstance(content, str):
        return False
    pictures = [part for part in content if part.get("type") == "image_url"]
    # The prompt is the first text, and a picture that the model looks at has a card too.
    return len(content) - len(pictures) > 1 + len(pictures)


def awaits_first_code(request: Request) -> bool:
    """Return whether there is data, code could run, and none has in the conversation."""
    return (
        offers_python(request)
        and request.tool_choice == "auto"
        and "response_format" not in request.options
        and not any(message["role"] == "tool" for message in request.messages)
        and has_data(request)
        and not is_how_to(request)
    )


def _question(request: Request) -> str:
    content = _last_question(request).get("content") or ""
    if isinstance(content, str):
        return content
    return next((part["text"] for part in content if part.get("type") == "text"), "")


def _last_question(request: Request) -> Mapping[str, Any]:
    asked = (message for message in reversed(request.messages) if message["role"] == "user")
    return next(asked, {})
