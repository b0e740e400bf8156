"""The sentences of the display: plain text, one line each, in the reader's language."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

from aoai_magic.display.picture_title import picture_title
from aoai_magic.display.steps import work
from aoai_magic.locale import gettext as _
from aoai_magic.locale import later, ngettext
from aoai_magic.text import sanitize
from aoai_magic.turn import view as views
from aoai_magic.turn.events import Passage

TITLE_CHARS = 100
ERROR_CHARS = 200
NAME_CHARS = 80
QUOTE_CHARS = 200
WHERE_WORK_IS = "(_assistant.code, .logs)"
SHOWN_SECONDS = 0.05
"""Below that, a part of a turn's time is not worth a word."""

_TABLES = {".csv", ".tsv", ".xlsx", ".xls", ".parquet", ".feather", ".arrow", ".ods"}
_ARCHIVES = {".zip", ".gz", ".tar", ".7z", ".bz2", ".xz"}


_PLACES = {
    "page": later("page {where}"),
    "slide": later("slide {where}"),
    "line": later("line {where}"),
    "row": later("row {where}"),
    "rows": later("rows {where}"),
}
"""Words that name the places in documents, as engine and backends write them."""


def source(passage: Passage) -> str:
    """Return the number, document and place of what an answer cites."""
    word, _space, where = sanitize.line(passage.place).partition(" ")
    place = _(_PLACES[word]).format(where=where) if word in _PLACES else ""
    name = sanitize.cut(sanitize.line(passage.file), NAME_CHARS)
    facts = filter(None, (name, sanitize.cut(place, NAME_CHARS)))
    return f"[{passage.number}] {', '.join(facts)}"


def quote(passage: Passage) -> str:
    """Return the beginning of a passage, in one line."""
    return sanitize.cut(sanitize.line(passage.text), QUOTE_CHARS)


def no_passage() -> str:
    """Return the words for a source of which only the name is known."""
    return _("The passage is not known: it was found in an earlier turn.")


def size(count: int) -> str:
    """Return ``count`` bytes as people say it: ``812 bytes``, ``12 kB``, ``3.4 MB``."""
    if count < 1000:
        return ngettext("{count} byte", "{count} bytes", count).format(count=count)
    number = float(count)
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5 or unit == "GB":
            break
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``<0.1 s``, ``0.4 s``, ``12 s``, ``2 min 5 s``."""
    if seconds < 9.95:
        said = f"{seconds:.1f}" if seconds >= 0.05 else "<0.1"
        return _("{seconds} s").format(seconds=said)
    return clock(round(seconds))


def clock(whole: int) -> str:
    """Return a time in whole seconds: ``3 s``, ``2 min 5 s``."""
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)


def worked(view: views.View) -> str:
    """Describe how long a turn took, in how many steps, and how many of them failed."""
    codes = [part for part in view.parts if isinstance(part, views.Code)]
    steps, failed = len(codes), sum(part.failed for part in codes)
    facts = [_("Worked {duration}").format(duration=duration(view.seconds or 0))]
    if steps:
        facts.append(ngettext("{count} step", "{count} steps", steps).format(count=steps))
    if failed:
        text = ngettext("{count} failed attempt", "{count} failed attempts", failed)
        facts.append(text.format(count=failed))
    return " · ".join(facts)


def times(view: views.View) -> str:
    """Describe where a turn's time went, in the order of the turn; what took none is left out."""
    if view.times is None:
        return ""
    went = {
        _("engine start {duration}"): view.times.start,
        _("reading and sending data {duration}"): view.times.upload,
        _("waiting for the model {duration}"): view.times.waiting,
        _("writing {duration}"): view.times.writing,
        _("running code {duration}"): view.times.code,
    }
    shown = [(text, seconds) for text, seconds in went.items() if seconds >= SHOWN_SECONDS]
    return " · ".join(text.format(duration=duration(seconds)) for text, seconds in shown)


def code_summary(part: views.Code) -> str:
    """Describe what a piece of code is and what became of it."""
    facts = [_title(part.code)]
    if _comment(part.code):
        facts.append(_lines(part.code))
    return " · ".join([*facts, code_outcome(part)])


def code_outcome(part: views.Code) -> str:
    """Describe what became of a piece of code, and how long it ran."""
    outcome = _outcome(part)
    return outcome if part.seconds is None else f"{outcome} · {duration(part.seconds)}"


def reasoning(part: views.Reasoning) -> str:
    """Describe that these are a model's thoughts, and how long it took to think."""
    title = _("Reasoning")
    return title if part.seconds is None else f"{title} · {duration(part.seconds)}"


def code_title(part: views.Code) -> str:
    """Describe what a piece of code is, while it is written or runs."""
    title = _title(part.code) if part.code.strip() else "Python"
    return title if part.attempt == 1 else f"{title} · {_attempt(part)}"


def _title(code: str) -> str:
    """Return the first comment if the code begins with one, else how long it is."""
    return _comment(code) or _lines(code)


def _comment(code: str) -> str:
    first = next((line.strip() for line in code.splitlines() if line.strip()), "")
    if not first.startswith("#") or first.startswith(("#!", "# %%", "#%%")):
        return ""
    return sanitize.cut(sanitize.line(first.lstrip("# ")), TITLE_CHARS)


def _lines(code: str) -> str:
    count = len([line for line in code.splitlines() if line.strip()])
    return ngettext("{count} line of Python", "{count} lines of Python", count).format(count=count)


def _attempt(part: views.Code) -> str:
    return _("attempt {number}").format(number=part.attempt)


def _outcome(part: views.Code) -> str:
    if part.state == "done":
        return "✓ " + (_("done") if part.attempt == 1 else _attempt(part))
    if not part.failed:
        return "■ " + _("stopped")
    error = sanitize.cut(sanitize.line(part.error or ""), ERROR_CHARS)
    return "✗ " + _("attempt {number} failed: {error}").format(number=part.attempt, error=error)


def note() -> str:
    """Return what a sentence to the user begins with."""
    return _("Note:")


def picture(part: views.Image) -> str:
    """Describe which picture stands here; this is its text alternative."""
    title = part.title or picture_title(part.data)
    if title := sanitize.cut(sanitize.line(title), TITLE_CHARS):
        return title
    name = sanitize.cut(sanitize.line(part.name), TITLE_CHARS)
    return _("Picture {name}, {size}").format(name=name, size=size(part.blob.size))


def file_name(name: str) -> str:
    """Return a file's name as it can be shown."""
    return sanitize.cut(sanitize.line(name), NAME_CHARS)


def file_icon(name: str) -> str:
    """Return the sign for the kind of file: shapes, since emoji need a font of their own."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _TABLES:
        return "▦"
    if suffix in _ARCHIVES:
        return "▣"
    kind = mimetypes.guess_type(f"x{suffix}")[0] or ""
    return "▨" if kind.startswith("image/") else "▤"


def file_kind(name: str) -> str:
    """Describe the kind of file in a word: ``CSV``, ``PNG``."""
    suffix = PurePosixPath(name).suffix[1:]
    known = suffix.isascii() and suffix.isalnum() and len(suffix) <= 8
    return suffix.upper() if known else _("file")


def next_questions() -> str:
    """Return what stands above the questions that the model offers."""
    return _("You could ask next:")


def file_way(name: str, place: int) -> str:
    """Describe how to get the content of the file at that place in Python."""
    plain = name == sanitize.line(name) and name.isprintable() and 0 < len(name) <= NAME_CHARS
    return f"_assistant.files[{name!r}]" if plain else f"_assistant.files[{place}]"


def status(view: views.View) -> str:
    """Describe how a turn ended where that is not as it should be; else nothing."""
    if view.status == "completed":
        return ""
    texts = {
        "incomplete": _("Incomplete."),
        "failed": _("Failed."),
        "interrupted": _("Stopped."),
        "running": _("Cut off when the kernel ended."),
    }
    is_partial = any(isinstance(part, views.Text | views.Image) for part in view.parts)
    return texts[view.status] + (" " + _("Partial answer above.") if is_partial else "")


def title(view: views.View) -> str:
    """Return a name for a turn: the beginning of what was asked, else who answered."""
    asked = sanitize.cut(sanitize.line(view.question), TITLE_CHARS)
    return asked or " · ".join(facts(view))


def facts(view: views.View) -> list[str]:
    """Return what the footer says: who, where, how much; how long where `worked` does not."""
    said = [
        sanitize.cut(sanitize.line(view.model), TITLE_CHARS),
        _("effort: {level}").format(level=sanitize.line(view.effort)) if view.effort else "",
        _place(view),
        _("not isolated") if view.isolation == "none" else "",
        _("with {names}").format(names=sanitize.line(view.context)) if view.context else "",
        duration(view.seconds) if view.seconds is not None and not work(view.parts) else "",
        tokens(view) if view.usage.total_tokens else "",
        _container(view),
        cost(view.cost) if view.cost is not None else "",
    ]
    return [fact for fact in said if fact]


def _place(view: views.View) -> str:
    """Return where the code ran; the target's name where it says as much, or none ran."""
    has_code = any(isinstance(part, views.Code) for part in view.parts)
    if view.target == "local" and has_code:
        return _("code ran on this machine")
    if view.target == "container" and has_code:
        return _("code ran in a container on this machine")
    return sanitize.cut(sanitize.line(view.target), TITLE_CHARS)


def shape(rows: int, columns: int, *, whole: bool) -> str:
    """Describe a table's size: ``3 rows × 2 columns``; of one read in part, at least so many."""
    height = ngettext("{count:,} row", "{count:,} rows", rows).format(count=rows)
    if not whole:
        height = _("more than {amount}").format(amount=height)
    width = ngettext("{count:,} column", "{count:,} columns", columns).format(count=columns)
    return f"{height} × {width}"


def tokens(view: views.View) -> str:
    """Describe how many tokens a turn has used so far, with the cached ones apart."""
    count, cached = view.usage.total_tokens, view.usage.cached_tokens
    said = ngettext("{count:,} token", "{count:,} tokens", count).format(count=count)
    if view.usage.estimated:
        return _("about {amount}").format(amount=said)
    return said + (" " + _("({count:,} cached)").format(count=cached) if cached else "")


def cost(dollars: float) -> str:
    """Describe what something cost about; small amounts with as many digits as tell something."""
    if dollars < 0.0001:
        return _("less than {amount}").format(amount="$0.0001")
    digits = 2 if dollars >= 1 else 4
    return _("about {amount}").format(amount=f"${dollars:,.{digits}f}")


def _container(view: views.View) -> str:
    minutes = view.usage.container_minutes
    return _("{minutes} min of a container").format(minutes=minutes) if minutes else ""


def state(view: views.View) -> str:
    """Describe what is going on right now."""
    if view.progress is not None:
        return _progress(view)
    last = view.parts[-1] if view.parts else None
    code = next((p for p in reversed(view.parts) if isinstance(p, views.Code)), None)
    if code is not None and code.state == "running":
        return _("Running the code")
    if isinstance(last, views.Code) and last.state == "writing":
        return _("Writing code")
    if isinstance(last, views.Text) and not last.done:
        return _("Answering")
    if isinstance(last, views.Reasoning) and not last.done:
        return _("Thinking")
    if not view.model:
        return _("Starting")
    return _("Waiting for {model}").format(
        model=sanitize.cut(sanitize.line(view.model), TITLE_CHARS)
    )


def _progress(view: views.View) -> str:
    progress = view.progress
    assert progress is not None
    what = sanitize.cut(sanitize.line(progress.what), TITLE_CHARS)
    if not progress.total:
        return what if not progress.done else f"{what}: {progress.done:,}"
    return f"{what}: {min(1.0, progress.done / progress.total):.0%}"


def unfinished() -> str:
    """Describe why there is nothing, where a turn was saved in the middle."""
    return _(
        "This part of the turn was not finished when the notebook was saved or the kernel ended; "
        "`%assistant show` shows the turn as far as it came."
    )
