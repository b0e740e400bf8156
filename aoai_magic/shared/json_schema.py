"""JSON schemas, which may be somebody else's: nothing that one names is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aoai_magic.locale import gettext as _

if TYPE_CHECKING:
    from referencing import Resource


def validator(schema: Mapping[str, Any]) -> Any:
    """Return what checks values by a schema.

    By itself `jsonschema` fetches what a ``$ref`` names, from the network or from a file.
    """
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY

    return validator_for(schema)(dict(schema), registry=REGISTRY)


@contextmanager
def bounded_depth() -> Iterator[None]:
    """Raise `RecursionError` where the stack ends, whoever notices it.

    The dictionaries of `jsonschema` are written in Rust, whose panics are no `Exception`.
    """
    try:
        yield
    except BaseException as error:
        if isinstance(error, RecursionError) or type(error).__name__ == "PanicException":
            raise RecursionError(_("it is nested too deeply")) from None
        raise


@bounded_depth()
def check_schema(schema: Any) -> None:
    """Raise an error where a schema cannot be used, of jsonschema or `ValueError`.

    References are looked up now, and not when a value is there that has cost something.
    """
    from jsonschema_specifications import REGISTRY
    from referencing.jsonschema import specification_with

    if not isinstance(schema, Mapping):
        raise ValueError(_("it is no JSON object"))  # noqa: TRY004 - a value of a file
    made = validator(schema)
    made.check_schema(dict(schema))
    specification = specification_with(made.META_SCHEMA["$schema"])
    root = specification.create_resource(dict(schema))
    place = root.id() or ""
    _look_up(root, REGISTRY.with_resource(place, root).resolver(place))


def not_found(reference: str) -> str:
    """Return a sentence on a reference that leads out of the schema."""
    text = _("the schema refers to {reference}, which is not in it, and nothing is fetched")
    return text.format(reference=reference)


def _look_up(resource: Resource[Any], resolver: Any) -> None:
    from referencing.exceptions import Unresolvable

    content = resource.contents
    for key in ("$ref", "$dynamicRef"):
        if isinstance(content, Mapping) and isinstance(content.get(key), str):
            try:
                resolver.lookup(content[key])
            except Unresolvable as error:
                raise ValueError(not_found(content[key])) from error
    for part in resource.subresources():
        _look_up(part, resolver.in_subresource(part))
