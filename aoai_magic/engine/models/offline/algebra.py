"""Equations and sums that stand in a prompt."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_DIGITS = str.maketrans("０１２３４５６７８９＋－＝×÷（）−·％", "0123456789+-=*/()-*%")
_TERM = (
    r"[-+*/^().\d\s]|\b[a-zA-Z]\b|(?<=\d)[a-zA-Z](?![a-zA-Z])|\b(?:sqrt|sin|cos|tan|exp|log|pi)\b"
)
_EQUATION = re.compile(rf"(?:{_TERM})+=(?:{_TERM})+")
_SUM = re.compile(r"[-+]?\(*\d[\d.,]*\s*(?:[-+*/^]|\*\*|%\s*of|[()\s])+[-+*/^().\d,\s]*\d\)*")
_SOLVE = re.compile(r"\b(solve|equation|roots?)\b|解|方程式|求解|方程", re.IGNORECASE)
_COMPUTE = re.compile(
    r"^\W*(what('s| is)|how much is|calculate|compute|evaluate|は|是)?\W*$"
    r"|計算|いくら|いくつ|等於|多少",
    re.IGNORECASE,
)
_OF_PERCENT = re.compile(r"(\d[\d.,]*)\s*[の的]\s*(\d[\d.,]*)\s*(?:%|パーセント)")
"""The same in Japanese and Chinese, which name the whole first."""
_WORDS = {"plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/"}
_OPERATOR = re.compile(rf"(?<=\d)\s+({'|'.join(_WORDS)})\s+(?=[\d(])", re.IGNORECASE)
_PERCENT = re.compile(r"(\d[\d.,]*)\s*(?:%|percent)\s+of\s+(\d[\d.,]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Problem:
    """What is to be solved: equations as pairs of sides, or one sum to be worked out."""

    equations: tuple[tuple[str, str], ...] = ()
    expression: str = ""


def find(prompt: str) -> Problem | None:
    """Find the equations or the sum of a prompt, in Python's notation; None if it has none."""
    text = prompt.translate(_DIGITS).replace("`", " ` ").replace("²", "^2").replace("³", "^3")
    equations = tuple(_sides(match[0]) for match in _EQUATION.finditer(text))
    equations = tuple(pair for pair in equations if re.search("[a-zA-Z]", "".join(pair)))
    if equations and all(_is_expression(side) for pair in equations for side in pair):
        return Problem(equations) if _only(text, _EQUATION) or _SOLVE.search(text) else None
    return _sum(text)


def _sum(text: str) -> Problem | None:
    text = _OPERATOR.sub(lambda match: f" {_WORDS[match[1].lower()]} ", text)
    text = _OF_PERCENT.sub(r"\2% of \1 ", text)
    if match := _PERCENT.search(text):
        rest = _PERCENT.sub(" ", text)
        expression = f"{_plain(match[1])} / 100 * {_plain(match[2])}"
        return Problem(expression=expression) if _COMPUTE.search(rest) else None
    match = _SUM.search(text)
    if not match or not re.search(r"\d\)*\s*[-+*/^]", match[0]) or _is_date(match[0]):
        return None
    if not _COMPUTE.search(text.replace(match[0], " ")):
        return None
    expression = _python(_plain(match[0]))
    return Problem(expression=expression) if _is_expression(expression) else None


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _is_date(text: str) -> bool:
    return bool(re.fullmatch(r"\s*\d{1,4}([-/])\d{1,2}(\1\d{1,4})?\s*", text))


def _only(text: str, pattern: re.Pattern[str]) -> bool:
    return not re.search(r"\w{2}", pattern.sub(" ", text))


def _sides(equation: str) -> tuple[str, str]:
    left, _, right = equation.partition("=")
    return _python(left), _python(right)


def _plain(number: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "", number).rstrip(",. ")


def _python(text: str) -> str:
    """Write school notation as Python: ``3x^2`` is ``3*x**2``."""
    text = text.strip().rstrip(".").strip().replace("^", "**")
    text = re.sub(r"(\d|\))\s*(?=[a-zA-Z(])", r"\1*", text)
    return re.sub(r"\b([a-zA-Z])\s*(?=\()", r"\1*", text)
