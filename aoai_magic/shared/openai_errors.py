"""What services of OpenAI's kind put into their refusals, for notebook and engine alike."""

from __future__ import annotations

from collections.abc import Mapping


def filtered_categories(body: object) -> set[str]:
    """Find the categories that Azure says its content filter struck, wherever it says so."""
    if isinstance(body, list):
        return {name for one in body for name in filtered_categories(one)}
    if not isinstance(body, Mapping):
        return set()
    here = {
        str(name).replace("_", " ")
        for name, value in body.items()
        if isinstance(value, Mapping) and value.get("filtered")
    }
    return here.union(*map(filtered_categories, body.values()))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds after which a service wants to be asked again, if it says so."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
    return None
