"""What of a value could not travel as it is, in words for the user and for the model."""

from __future__ import annotations

from collections.abc import Sequence

from aoai_magic.attach.schema_card import clean
from aoai_magic.frame_codec import Loss
from aoai_magic.locale import Say
from aoai_magic.locale import gettext as _

_MOST = 6


def notice(name: str, losses: Sequence[Loss]) -> str:
    """Return the user; empty where nothing was lost."""
    if not losses:
        return ""
    return _(
        "{name} has parts that only this notebook can load; they were sent so: {parts}."
    ).format(name=name, parts=_listed(losses, _))


def card_line(losses: Sequence[Loss]) -> str:
    """Return the model; empty where nothing was lost."""
    return f"Changed on the way from the notebook: {_listed(losses, str)}." if losses else ""


def _listed(losses: Sequence[Loss], say: Say) -> str:
    words = [_one(loss, say) for loss in losses[:_MOST]]
    more = len(losses) - _MOST
    rest = [say("({count:,} more)").format(count=more)] if more > 0 else []
    return "; ".join([*words, *rest])


def _one(loss: Loss, say: Say) -> str:
    form = {
        "value": say("{kind} as its value"),
        "dict": say("{kind} as a dict"),
        "text": say("{kind} as text"),
        "nothing": say("{kind} left out"),
        "UTC": say("{kind} as UTC"),
    }.get(loss.form, say("{kind} as a plain {form}"))
    text = form.format(kind=clean(loss.kind), form=loss.form)
    return f"{clean(loss.part)}: {text}" if loss.part else text
