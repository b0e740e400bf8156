"""Equations solved, exactly with sympy or else linear ones with numpy, and sums worked out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aoai_magic.engine.models.offline import algebra
from aoai_magic.engine.models.offline.findings import Findings, number, plain
from aoai_magic.engine.models.offline.language import Language, Phrase
from aoai_magic.engine.models.offline.recipes.recipe import Recipe
from aoai_magic.engine.models.offline.script import comment, listed, literal
from aoai_magic.engine.models.offline.task import Task, Way

_FUNCTIONS = {"sqrt", "sin", "cos", "tan", "exp", "log", "pi"}
_SOLUTION: Phrase = {
    "en": "The solution is {}.",
    "ja": "解は {} です。",
    "zh": "解為 {}。",
}
_SOLUTIONS: Phrase = {
    "en": "There are {n} solutions: {all}.",
    "ja": "解は {n} 個あります：{all}。",
    "zh": "共有 {n} 組解：{all}。",
}
_NO_SOLUTION: Phrase = {
    "en": "There is no solution.",
    "ja": "解はありません。",
    "zh": "無解。",
}
_CHECK: Phrase = {
    "en": "Check by substitution: {}.",
    "ja": "代入して確かめると：{}。",
    "zh": "代回驗算：{}。",
}
_OR: Phrase = {"en": " or ", "ja": " または ", "zh": " 或 "}


def _solve_code(task: Task, way: Way, language: Language) -> list[str]:
    problem = algebra.find(task.text)
    assert problem is not None
    if problem.expression:
        return _sum_code(problem.expression)
    names = unknowns(problem)
    shown = ", ".join(f"{left} = {right}" for left, right in problem.equations)
    lines = [comment(f"Solve {shown} for {', '.join(names)}")]
    return lines + (_sympy_code if way.sympy else _numpy_code)(problem, names)


def unknowns(problem: algebra.Problem) -> list[str]:
    """Give the unknowns, in the order of the alphabet."""
    words = re.findall("[a-zA-Z]+", " ".join(side for pair in problem.equations for side in pair))
    return sorted(set(words) - _FUNCTIONS)


def _sum_code(expression: str) -> list[str]:
    functions = sorted(_FUNCTIONS & set(re.findall("[a-z]+", expression)))
    imported = [f"from math import {', '.join(functions)}", ""] if functions else []
    return [
        comment(f"Work out {expression}."),
        *imported,
        f"value = {expression}",
        'print("# value", "value", value, sep="\\n")',
    ]


def _sympy_code(problem: algebra.Problem, names: list[str]) -> list[str]:
    functions = sorted(_FUNCTIONS & set(re.findall("[a-z]+", str(problem.equations))))
    joined = ", ".join(names)
    return [
        f"from sympy import {', '.join(['Eq', 'N', 'solve', 'symbols', *functions])}",
        "",
        f"{joined} = symbols({literal(' '.join(names))})",
        "equations = [",
        *(f"    Eq({left}, {right}, evaluate=False)," for left, right in problem.equations),
        "]",
        f"solutions = solve(equations, [{joined}], dict=True)",
        "",
        'print("# solutions")',
        'print("solution | unknown | value | approximately")',
        "for number, solution in enumerate(solutions, 1):",
        "    for unknown, value in solution.items():",
        '        print(number, unknown, value, N(value, 6), sep=" | ")',
        "",
        'print("\\n# check")',
        'print("solution | left | right")',
        "for number, solution in enumerate(solutions, 1):",
        "    for equation in equations:",
        "        left, right = equation.lhs.subs(solution), equation.rhs.subs(solution)",
        '        print(number, left.simplify(), right.simplify(), sep=" | ")',
    ]


def _numpy_code(problem: algebra.Problem, names: list[str]) -> list[str]:
    """Solve a linear system: without sympy the coefficients are read off by evaluation."""
    joined = ", ".join(names)
    return [
        "from math import *",
        "",
        "import numpy as np",
        "",
        f"names = {listed(names)}",
        "equations = [",
        *(
            f"    (lambda {joined}: {left}, lambda {joined}: {right}),"
            for left, right in problem.equations
        ),
        "]",
        "unit = np.eye(len(names))",
        "differences = [lambda *p, e=e: e[0](*p) - e[1](*p) for e in equations]",
        "constant = np.array([d(*np.zeros(len(names))) for d in differences])",
        "matrix = np.array([[d(*u) for u in unit] for d in differences]) - constant[:, None]",
        "solution = np.linalg.solve(matrix, -constant)",
        "",
        "checks = [(left(*solution), right(*solution)) for left, right in equations]",
        "if not all(np.isclose(left, right) for left, right in checks):",
        '    raise ValueError("without sympy only linear equations can be solved")',
        'print("# solutions")',
        'print("solution | unknown | value | approximately")',
        "for name, value in zip(names, solution):",
        '    print(1, name, f"{value:.6g}", value, sep=" | ")',
        'print("\\n# check")',
        'print("solution | left | right")',
        "for left, right in checks:",
        '    print(1, f"{left:.6g}", f"{right:.6g}", sep=" | ")',
    ]


def _solve_words(task: Task, found: Findings, language: Language) -> str:
    problem = algebra.find(task.text)
    assert problem is not None
    if problem.expression:
        return f"`{problem.expression}` = **{number(found['value'].first('value'))}**"
    rows = found["solutions"].rows
    sets = [[row for row in rows if row[0] == key] for key in dict.fromkeys(r[0] for r in rows)]
    texts = ["**" + ", ".join(map(_assignment, part)) + "**" for part in sets]
    if not texts:
        return _NO_SOLUTION[language]
    if len(texts) == 1:
        told = _SOLUTION[language].format(texts[0])
    else:
        told = _SOLUTIONS[language].format(n=len(texts), all=_OR[language].join(texts))
    checks = _checks(problem, sets[0], found)
    return f"{told}\n\n{_CHECK[language].format('; '.join(checks))}" if checks else told


def _assignment(row: tuple[str, ...]) -> str:
    _, unknown, value, approximately = row
    exact = re.fullmatch(r"-?\d+(\.\d+)?", value) or not re.fullmatch(r"-?[\d.]+", approximately)
    about = "" if exact else f" ≈ {number(approximately)}"
    return f"{unknown} = {plain(value)}{about}"


def _checks(problem: algebra.Problem, rows: list[tuple[str, ...]], found: Findings) -> list[str]:
    """Show the first solution put in: "3*(1) + 11 = 14"."""
    values = {row[1]: row[2] for row in rows}
    results = [row for row in found["check"].rows if row[0] == rows[0][0]]
    told = []
    for (left, right), (_, value, other) in zip(problem.equations, results, strict=False):
        told.append(f"`{_placed(left, values)} = {value}`")
        if not re.fullmatch(r"[-\d.]+", right):
            told.append(f"`{_placed(right, values)} = {other}`")
    return told


def _placed(side: str, values: Mapping[str, str]) -> str:
    """Put values in for the unknowns."""
    placed = re.sub(r"\b[a-zA-Z]\b", lambda m: f"({values.get(m[0], m[0])})", side)
    return placed.replace("**", "^")


SOLVE = Recipe(_solve_code, _solve_words, expects="")
