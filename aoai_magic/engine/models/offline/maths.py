"""Equations and sums: found in a prompt, written for sympy, and their results in words."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fractions import Fraction

from aoai_magic.engine.models.offline.lexicon import Language, number, plain, sentence
from aoai_magic.engine.models.offline.query import Refusal

_SIGNS = str.maketrans("０１２３４５６７８９＋－＝×÷（）−·％", "0123456789+-=*/()-*%")
_FUNCTIONS = "sqrt|sin|cos|tan|exp|log|pi"
_TERM = rf"[-+*/^().\d\s]|\b[a-zA-Z]\b|(?<=\d)[a-zA-Z](?![a-zA-Z])|\b(?:{_FUNCTIONS})\b"
_EQUATION = re.compile(rf"(?:{_TERM})+=(?:{_TERM})+")
_SUM = re.compile(r"[-+]?\(*\d[\d.,]*(?:\s*(?:\*\*|[-+*/^()])\s*)+[-+*/^().\d,\s]*\d\)*")
_PERCENT = re.compile(r"(\d[\d.,]*)\s*(?:%|percent)\s+of\s+(\d[\d.,]*)", re.IGNORECASE)
_ASKS = re.compile(
    r"\b(i|need|to|can|could|you|please|help|me|us|with|the|this|these|a|an|for|and|of|let|how|do|it"
    r"|now|what'?s|what|is|are|solve|equations?|system|roots?|find|x|y|z|calculate|compute|evaluate"
    r"|much|result|value|equal)\b|方程式?|連立|次の|を|解いて|解け|解く|求めて|ください|下さい|教えて"
    r"|計算(?:して)?|いくら|いくつ|何|答え|は|です|か|の|と|請|幫我|解|求解|等於|多少|是|和|與|答案|\W|_",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Problem:
    """What is to be worked out: equations as pairs of sides, or one sum."""

    equations: tuple[tuple[str, str], ...] = ()
    expression: str = ""


def find_problem(prompt: str) -> Problem | None:
    """Find the equations or the sum that a prompt is about; None if it is about something else."""
    text = prompt.translate(_SIGNS).replace("`", " ` ").replace("²", "^2").replace("³", "^3")
    sides = [tuple(map(_python, match[0].split("=", 1))) for match in _EQUATION.finditer(text)]
    pairs = [(left, right) for left, right in sides if re.search("[a-zA-Z]", left + right)]
    if pairs and all(map(_is_expression, sum(pairs, ()))):
        return Problem(tuple(pairs)) if _is_all(_EQUATION, text) else None
    if (match := _PERCENT.search(text)) and _is_all(_PERCENT, text):
        return Problem(expression=f"{_plain(match[1])} / 100 * {_plain(match[2])}")
    match = _SUM.search(text)
    if not match or re.fullmatch(r"\s*\d{1,4}([-/])\d{1,2}(\1\d{1,4})?\s*", match[0]):
        return None
    expression = _python(_plain(match[0]))
    fits = _is_expression(expression) and _is_all(_SUM, text)
    return Problem(expression=expression) if fits else None


def _is_all(pattern: re.Pattern[str], text: str) -> bool:
    """Whether nothing but words that ask stand around what the pattern finds."""
    return not _ASKS.sub("", pattern.sub(" ", text))


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return text.count("**") < 4 and not re.search(r"\*\*\s*\(?\s*\d{3}", text)


def _plain(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "", text).rstrip(",. ")


def _python(text: str) -> str:
    """Write school notation as Python: ``3x^2`` is ``3*x**2``."""
    text = text.strip().rstrip(".").strip().replace("^", "**")
    text = re.sub(r"(\d|\))\s*(?=[a-zA-Z(])", r"\1*", text)
    return re.sub(r"\b([a-zA-Z])\s*(?=\()", r"\1*", text)


def write_maths(problem: Problem) -> str:
    """Write the code that works it out."""
    if problem.expression:
        return f"print({problem.expression})\n"
    text = str(problem.equations)
    names = list(dict.fromkeys(re.findall(r"\b[a-zA-Z]\b", text)))
    functions = sorted(set(re.findall(rf"\b(?:{_FUNCTIONS})\b", text)))
    equations = ", ".join(f"Eq({left}, {right})" for left, right in problem.equations)
    return (
        f"from sympy import {', '.join(['Eq', *functions, 'solve', 'symbols'])}\n\n"
        f'{", ".join(names)} = symbols("{" ".join(names)}")\n'
        f"print(solve([{equations}], [{', '.join(names)}], dict=True))\n"
    )


def tell_maths(problem: Problem, output: str, language: Language) -> str:
    """Describe what came out; raise `Refusal` if what was printed is no result."""
    text = "".join(output.strip().splitlines()[-1:])
    if problem.expression and re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", text):
        return f"`{problem.expression}` = **{number(text)}**"
    if problem.expression or not re.fullmatch(r"\[(\{.*\})?\]", text):
        raise Refusal("failed", text)
    parts = [part for part in text[1:-1].strip("{}").split("}, {") if part]
    sets = [", ".join(map(_assignment, re.split(r", (?=[a-zA-Z]: )", part))) for part in parts]
    texts = sentence("or", language).join(f"**{one}**" for one in sets)
    key = ("none", "one")[len(sets)] if len(sets) < 2 else "many"
    return sentence(f"solution {key}", language, texts, n=len(sets))


def _assignment(text: str) -> str:
    name, _, value = text.partition(": ")
    about = f" ≈ {number(float(Fraction(value)))}" if re.fullmatch(r"-?\d+/\d+", value) else ""
    return f"{name} = {plain(value)}{about}"
