"""Questions that the offline model offers next: about the columns there are, as it can answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aoai_magic.engine.models.offline.lexicon import Language, sentence
from aoai_magic.engine.models.offline.query import Query, Refusal
from aoai_magic.engine.models.offline.understand import understand
from aoai_magic.shared.next_questions import INSTRUCTIONS

_MOST = 3
# Names that stand in a sentence, and in the line of questions, without being anything else.
_PLAIN = re.compile(r"[^\W\d][\w ()%.-]{0,40}")


def offers_questions(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the system's message asks for questions."""
    return any(m["role"] == "system" and INSTRUCTIONS in str(m["content"]) for m in messages)


def next_questions(query: Query, language: Language) -> list[str]:
    """Return up to three questions about the table of a query; none where it has no rows."""
    if not query.table.rows:
        return []
    found: list[str] = []
    for question in dict.fromkeys(_candidates(query, language)):
        try:
            read = understand(question, [query.table], [query.table], None)
        except Refusal:
            continue
        same = len(read) == 1 and (read[0].measures, read[0].groups) == (
            query.measures,
            query.groups,
        )
        if not same and len(found) < _MOST:
            found.append(question)
    return found


def _candidates(query: Query, language: Language) -> Iterator[str]:
    columns = [one for one in query.table.columns if _PLAIN.fullmatch(one.name)]
    measures = [one.name for one in columns if one.is_measure and not one.is_kind]
    asked = [one.name for one in query.columns if one.name in measures]
    kinds = [c.name for c in columns if c.kind == "text" and c.complete and not c.is_id]
    used = {group.column.name for group in query.groups}
    for measure in [*asked, *measures][:1]:
        for kind in [kind for kind in kinds if kind not in used][:1]:
            yield sentence("next groups", language, measure, kind)
        if any(one.kind == "date" for one in columns) and not any(g.by for g in query.groups):
            yield sentence("next months", language, measure)
        for other in [one for one in measures if one != measure][:1]:
            yield sentence("next pair", language, measure, other)
        yield sentence("next distribution", language, measure)
