"""Parts that are drawn folded: attempts of code, and thoughts."""

from __future__ import annotations

from ..turn import view as views
from . import markup, words
from .logs import plain_logs
from .steps import Step, attempts


def fold_html(step: Step) -> str:
    """Give code with what it printed and the attempts that failed before it, or thoughts."""
    part = step.part
    if isinstance(part, views.Reasoning):
        return _folded(words.reasoning(part), markup.safe_html(part.text))
    assert isinstance(part, views.Code)
    inside = "\n".join(map(fold_html, attempts(step.before)))
    content = markup.code_html(part.code) + logs_html(step.logs) + inside
    return _folded(words.code_summary(part), content)


def logs_html(part: views.Logs | None) -> str:
    """Give all that was printed, without colours; nothing where it was nothing."""
    text = plain_logs(part.text) if part else ""
    return markup.printed_html(text) if text else ""


def _folded(title: str, content: str) -> str:
    summary = f'<summary class="aoai-head">{markup.text_html(title)}</summary>'
    return f"<details>\n{summary}\n{content}\n</details>"
