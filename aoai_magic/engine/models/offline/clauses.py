"""Clauses: a prompt that asks several things at once, taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aoai_magic.engine.models.offline import vocabulary

_SENTENCE = re.compile(r"(?<=[?!;。？！；])\s*|(?<=\.)(?!\w)\s*|\n+")
_JOINT = re.compile(
    r",\s*(?:and\s+)?(?:then\s+)?|\s+and\s+(?:then\s+)?(?:also\s+)?|\s+then\s+|[、，]\s*"
    r"|(?<=て)(?=[^\s。]{3})|(?=並|然後|再把|接著|以及畫)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"^\W*(plot|draw|show|chart|graph|save|export|write|store|list|give|find|compute|calculate"
    r"|tell|which|what|how|who|when|where|is|are|does|compare|describe|summari[sz]e|convert|make"
    r"|create|visuali[sz]e|count|join|merge|identify|display|print|check|detect|analy[sz]e)\b",
    re.IGNORECASE,
)
_GROUP = re.compile(r"^\W*group(ed)? (the \w+ )?by\b[^,]*$", re.IGNORECASE)
"""Says how to divide what the next verb asks for: "group by region and show the mean"."""
_CJK = re.compile(r"[\u3041-\u30ff\u4e00-\u9fff]")
_CJK_VERB = re.compile(
    r"保存|出力|出し|グラフ|プロット|描|表示|教え|求め|計算|比較|探|調べ|変換|数え|示|見せ|抽出|結合"
    r"|存|匯出|畫|繪|列出|顯示|計算|找|比較|比较|告訴|轉|哪|多少|分析|合併|統計|看"
)


def clauses(prompt: str) -> list[str]:
    """Give the parts of a prompt that each ask for one thing, in order."""
    found: list[str] = []
    for sentence in _SENTENCE.split(prompt):
        for part in _parts(sentence):
            # What asks for nothing by itself belongs to what was said before it.
            if found and not asks(part) and not _follows(part):
                found[-1] += " " + part
            elif part.strip(" .?!,;。？！；、，"):
                found.append(part.strip())
    return found


def asks(text: str) -> bool:
    """Whether the text has a word that says what is wanted."""
    return vocabulary.first(text, vocabulary.KINDS) is not None


def _follows(text: str) -> bool:
    return bool(vocabulary.first(text, vocabulary.CHARTS) or vocabulary.SAVE.search(text))


def _parts(sentence: str) -> Iterator[str]:
    """Split where a new verb begins: "revenue by region and month" stays whole."""
    start = 0
    for joint in _JOINT.finditer(sentence):
        before, after = sentence[start : joint.start()], sentence[joint.end() :]
        if _GROUP.match(before):
            continue
        if _begins(after) and (asks(before) or _follows(before)):
            yield before
            start = joint.end()
    yield sentence[start:]


def _begins(text: str) -> bool:
    if _CJK.search(text[:12]):
        # Japanese and Chinese verbs stand late; a clause of its own has one somewhere.
        return bool(_CJK_VERB.search(text)) and (asks(text) or _follows(text))
    return bool(_VERB.search(text))
