"""How many answers are right: 162 closed questions, any model, beside a plain loop.

The plain loop is what people write by hand: the same model gets the path of a CSV file and
`df.head()`, its Python blocks run in one namespace, and it may try as often. Counted are
right, wrong and refused answers (no answer at all counts as refused), tries, tokens and
seconds.

Usage: python benchmarks/answers.py MODEL [--runs N] [--languages en,ja,zh_TW] [--kinds group,…]
       [--every N] [--no-plain] [--save FILE]

MODEL is a SPEC as for `-m`. The plain loop needs a server that OPENAI_BASE_URL names, and runs
what the model writes with no sandbox: use it with models that you trust that far.
"""

import argparse
import contextlib
import io
import json
import re
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from answer_questions import LANGUAGES, QUESTIONS
from answer_tables import tables

STEPS = 8
"""Calls of the model in one answer, for both."""

FORMAT = (
    "End your answer with one line of this form and nothing behind it: @answer[VALUE]. "
    "VALUE is the number (a percentage without %), or the text, or the texts separated by commas."
)
PLAIN = (
    "You are a data analyst. To run Python, reply with one ```python block and nothing else; you "
    "get what it prints, and variables stay. " + FORMAT
)
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
_REFUSAL = re.compile(r"OPENAI_API_KEY|there is no answer:|答えはありません：|因此沒有答案：")
"""What the offline model says where it gives no answer, also after it has read a file."""

_BLOCK = re.compile(r"```(?:python)?\s*\n(.*?)```", re.DOTALL)


@dataclass
class Outcome:
    """What one question took, and what came of it."""

    verdict: str
    tries: int = 0
    tokens: int = 0
    seconds: float = 0.0
    text: str = ""


def verdict(text, truth, ran):
    """Judge an answer: by its marked value, or where a model marks none by all of its text."""
    marked = re.findall(r"@answer\[([^\]]*)\]", text)
    if marked:
        return "right" if fits(marked[-1], truth, exact=True) else "wrong"
    if not ran or _REFUSAL.search(text):
        return "refused"
    return "right" if fits(text, truth, exact=False) else "wrong"


def fits(text, truth, *, exact):
    """Say whether a text gives the truth; numbers to half a percent."""
    if isinstance(truth, list):
        given = {one.strip().casefold() for one in text.split(",")}
        wanted = {one.casefold() for one in truth}
        return given == wanted if exact else all(one in text.casefold() for one in wanted)
    if isinstance(truth, str):
        given, wanted = text.strip().strip("'\"").casefold(), truth.casefold()
        return given == wanted if exact else wanted in given
    numbers = [float(found.replace(",", "")) for found in _NUMBER.findall(text)]
    return any(abs(one - truth) <= 0.005 * abs(truth) + 1e-9 for one in numbers)


def plainly(value):
    """Turn a NumPy scalar into Python's own."""
    return value.item() if hasattr(value, "item") else value


def write_file(question, folder):
    """Write the table of a question that attaches a file."""
    frame, path = tables()[question.names[0]], folder / question.file
    if path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def ask_here(question, language, model, folder):
    """Ask by the magic's function."""
    names = [f"@{write_file(question, folder)}"] if question.file else list(question.names)
    scope = {name: tables()[name].copy() for name in question.names}
    options = {"model": model, "on": "local", "no_raise": True, "instructions": FORMAT}
    texts = [question.before[language]] if question.before else []
    scope |= {"options": options, "names": names, "texts": [*texts, question.texts[language]]}
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        exec(ASK, scope)
    turn = scope["turn"]
    return Outcome(
        verdict(turn.text or "", plainly(question.truth()), bool(turn.code)),
        1 + sum(type(part).__name__ == "Code" for part in turn.parts),
        turn.usage.input_tokens + turn.usage.output_tokens,
        time.perf_counter() - began,
        turn.text or turn.error or "",
    )


ASK = """
import aoai_magic
for number, text in enumerate(texts):
    items = names if number == 0 else []
    turn = aoai_magic.ask(text, *items, new=number == 0, quiet=True, **options)
"""


def ask_plainly(question, language, model, folder, seed):
    """Ask by the loop that people write by hand."""
    from openai import OpenAI

    client, outcome, began = OpenAI(max_retries=2), Outcome("refused"), time.perf_counter()
    messages = [{"role": "system", "content": PLAIN}, described(question, folder)]
    texts = [question.before[language]] if question.before else []
    scope = {}
    for text in [*texts, question.texts[language]]:
        messages.append({"role": "user", "content": text})
        outcome.text = converse(client, model, seed, messages, scope, outcome)
    outcome.verdict = verdict(outcome.text, plainly(question.truth()), bool(scope))
    outcome.seconds = time.perf_counter() - began
    return outcome


def described(question, folder):
    """Describe the data as people do: a path, and `head()`."""
    parts = []
    for name in question.names:
        path = write_file(question, folder) if question.file else folder / f"{name}.csv"
        if not question.file:
            tables()[name].to_csv(path, index=False)
        parts.append(f"{name} is in {path}. Its head:\n{tables()[name].head()}")
    return {"role": "user", "content": "\n\n".join(parts)}


def converse(client, model, seed, messages, scope, outcome):
    """Let a model try until it writes no more code."""
    for _ in range(STEPS):
        made = client.chat.completions.create(model=model, messages=messages, seed=seed)
        text = made.choices[0].message.content or ""
        outcome.tries += 1
        outcome.tokens += made.usage.total_tokens if made.usage else 0
        messages.append({"role": "assistant", "content": text})
        blocks = _BLOCK.findall(text)
        if not blocks or "@answer[" in text:
            break
        messages.append({"role": "user", "content": run(blocks[0], scope)[-4000:]})
    return text


def run(code, scope):
    """Run a block; returns what it printed, or its traceback."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            exec(code, scope)
        except Exception:
            printed.write(traceback.format_exc(limit=1))
    return printed.getvalue() or "(no output)"


def report(title, outcomes):
    """Print the counts of one side, in all, by kind and by language."""
    print(f"\n{title}: {len(outcomes)} answers")
    groups = {"all": list(outcomes)}
    for question, language, one in outcomes:
        groups.setdefault(question.kind, []).append((question, language, one))
        groups.setdefault(LANGUAGES[language], []).append((question, language, one))
    print(
        f"  {'':<11}{'right':>7}{'wrong':>7}{'refused':>9}{'tries':>7}{'tokens':>8}{'seconds':>9}"
    )
    for name, rows in groups.items():
        made = pd.DataFrame([asdict(one) for *_, one in rows])
        counts = Counter(made.verdict)
        shares = [counts[word] / len(made) for word in ("right", "wrong", "refused")]
        print(
            f"  {name:<11}{shares[0]:>7.0%}{shares[1]:>7.0%}{shares[2]:>9.0%}"
            f"{made.tries.mean():>7.1f}{made.tokens.mean():>8.0f}{made.seconds.mean():>9.2f}"
        )


def main():
    """Ask everything."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("model")
    asked.add_argument("--runs", type=int, default=1)
    asked.add_argument("--languages", default=",".join(LANGUAGES))
    asked.add_argument("--kinds", default="")
    asked.add_argument("--every", type=int, default=1, help="ask every Nth question only")
    asked.add_argument("--no-plain", action="store_true")
    asked.add_argument("--save", type=Path)
    given = asked.parse_args()
    chosen = [
        (question, LANGUAGES.index(language))
        for question in QUESTIONS[:: given.every]
        for language in given.languages.split(",")
        if not given.kinds or question.kind in given.kinds.split(",")
    ]
    plain = given.model.partition(":")[2] if not given.no_plain and given.model != "offline" else ""
    ours, theirs = [], []
    for seed in range(given.runs):
        for question, language in chosen:
            with tempfile.TemporaryDirectory() as folder:
                one = ask_here(question, language, given.model, Path(folder))
                ours.append((question, language, one))
                if plain:
                    other = ask_plainly(question, language, plain, Path(folder), seed)
                    theirs.append((question, language, other))
            print({"right": "+", "wrong": "x", "refused": "."}[one.verdict], end="", flush=True)
    report(f"aoai_magic with {given.model}", ours)
    if theirs:
        report(f"plain loop with {plain}", theirs)
    if given.save:
        rows = [(q.texts[n], str(q.truth()), asdict(one)) for q, n, one in [*ours, *theirs]]
        given.save.write_text(json.dumps(rows, ensure_ascii=False, indent=1, default=str))


if __name__ == "__main__":
    main()
