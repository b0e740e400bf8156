"""The prompt's one interpolation."""

import pytest

from aoai_magic.errors import UsageError
from aoai_magic.runner.interpolation import interpolate


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("no braces, $x, {y} and a@b", "no braces, $x, {y} and a@b"),
        ("top {{n}} of {{ names[0] }}", "top 3 of Ann"),
        ('{{ {"a": {"b": 1}}["a"]["b"] }}!', "1!"),
        ("{{n}}{{n}}", "33"),
        (r"\frac{{n}}{2}", r"\frac3{2}"),
    ],
)
def test_interpolation(prompt, text):
    assert interpolate(prompt, {"n": 3, "names": ["Ann"]}) == text


@pytest.mark.parametrize("prompt", ["{{missing}}", "{{1/0}}", "{{not python}}", "{{"])
def test_what_fails_stops_the_turn_with_a_sentence(prompt):
    with pytest.raises(UsageError, match="--raw"):
        interpolate(prompt, {})


def test_values_are_not_interpolated_again():
    assert interpolate("{{text}}", {"text": "{{1/0}}"}) == "{{1/0}}"
