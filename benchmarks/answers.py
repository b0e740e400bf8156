"""How many answers are right: 162 closed questions, any model, beside a plain loop.

The plain loop is what people write by hand: the same model gets the path of a CSV file and
`df.head()`, its Python blocks run in one namespace, and it may try as often. Counted are
right, wrong and refused answers (no answer at all counts as refused), tries, tokens and
seconds.

Usage: python benchmarks/answers.py MODEL [--runs N] [--languages en,ja,zh_TW] [--kinds group,…]
       [--only N] [--seed S] [--no-plain] [--save FILE]

MODEL is a SPEC as for `-m`. The plain loop needs a server that OPENAI_BASE_URL names, and runs
what the model writes with no sandbox: use it with models that you trust that far. With `--save`
each answer is appended to FILE as a line of JSON, and what stands there is not asked again: a
run that was cut off goes on. With MODEL `-` FILE is only reported.
"""

import argparse
import contextlib
import io
import json
import random
import re
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass, field
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
    "get what it prints, and variables stay. Compute every answer from the data. " + FORMAT
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
    code: list[str] = field(default_factory=list)


def verdict(text, truth, ran):
    """Judge an answer: by its marked value, or where a model marks none by all of its text."""
    marked = re.findall(r"@answer\[([^\]]*)\]", text)
    if marked:
        return "right" if fits(marked[-1], truth, exact=True) else "wrong"
    if not ran or _REFUSAL.search(text):
        return "refused"
    return "right" if fits(text, truth, exact=False) else "wrong"


def fits(text, truth, *, exact):
    """Return whether a text has the truth; counts exactly, other numbers to half a percent."""
    if isinstance(truth, list):
        given = {one.strip().casefold() for one in text.split(",")}
        wanted = {one.casefold() for one in truth}
        return given == wanted if exact else all(one in text.casefold() for one in wanted)
    if isinstance(truth, str):
        given, wanted = text.strip().strip("'\"").casefold(), truth.casefold()
        return given == wanted if exact else wanted in given
    numbers = [float(found.replace(",", "")) for found in _NUMBER.findall(text)]
    margin = 0 if isinstance(truth, int) else 0.005 * abs(truth)
    return any(abs(one - truth) <= margin + 1e-9 for one in numbers)


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
    turns = scope["turns"]
    text = turns[-1].text or ""
    code = [part.code for turn in turns for part in turn.parts if type(part).__name__ == "Code"]
    return Outcome(
        verdict(text, plainly(question.truth()), bool(turns[-1].code)),
        len(turns) + len(code),
        sum(turn.usage.input_tokens + turn.usage.output_tokens for turn in turns),
        time.perf_counter() - began,
        text or turns[-1].error or "",
        code,
    )


ASK = """
import aoai_magic
turns = []
for text in texts:
    items = [] if turns else names
    turns.append(aoai_magic.ask(text, *items, new=not turns, quiet=True, **options))
"""


def ask_plainly(question, language, model, folder, seed):
    """Ask by the loop that people write by hand."""
    from openai import APIError, OpenAI

    client, outcome = OpenAI(max_retries=2, timeout=1800), Outcome("refused")
    messages = [{"role": "system", "content": PLAIN}, described(question, folder)]
    texts = [question.before[language]] if question.before else []
    scope, began = {}, time.perf_counter()
    try:
        for text in [*texts, question.texts[language]]:
            messages.append({"role": "user", "content": text})
            outcome.text = converse(client, model, seed, messages, scope, outcome)
    except APIError as error:  # a conversation that became too long, say
        outcome.text = str(error)
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
        outcome.code.append(blocks[0])
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


def report(title, rows):
    """Print the counts of one side, in all, by kind and by language."""
    print(f"\n{title}: {len(rows)} answers")
    made = pd.DataFrame(rows)
    groups = [("all", made), *made.groupby("kind", sort=False), *made.groupby("language")]
    print(
        f"  {'':<11}{'right':>7}{'wrong':>7}{'refused':>9}{'tries':>7}{'tokens':>8}{'seconds':>9}"
    )
    for name, some in groups:
        shares = [(some.verdict == word).mean() for word in ("right", "wrong", "refused")]
        print(
            f"  {name:<11}{shares[0]:>7.0%}{shares[1]:>7.0%}{shares[2]:>9.0%}"
            f"{some.tries.mean():>7.1f}{some.tokens.mean():>8.0f}{some.seconds.mean():>9.2f}"
        )


def choose(given):
    """Return the questions to ask, each with a language: all, or a sample with all kinds."""
    chosen = [
        (question, LANGUAGES.index(language))
        for question in QUESTIONS
        for language in given.languages.split(",")
        if not given.kinds or question.kind in given.kinds.split(",")
    ]
    if not given.only:
        return chosen
    random.Random(given.seed).shuffle(chosen)
    chosen.sort(key=lambda one: one[0].kind)
    sample = [chosen[place * len(chosen) // given.only] for place in range(given.only)]
    random.Random(given.seed).shuffle(sample)  # a run that is cut off has all kinds, too
    return sample


def ask_all(given, rows):
    """Ask both sides in turn what has no row yet; append each answer as a row."""
    plain = given.model.partition(":")[2]
    sides = {f"aoai_magic with {given.model}": lambda q, n, _, f: ask_here(q, n, given.model, f)}
    if plain and not given.no_plain:
        sides[f"plain loop with {plain}"] = lambda q, n, seed, f: ask_plainly(q, n, plain, f, seed)
    for seed in range(given.runs):
        for question, language in choose(given):
            for side, ask in sides.items():
                row = {"side": side, "seed": seed, "question": question.texts[language]}
                if any(row.items() <= held.items() for held in rows):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    outcome = ask(question, language, seed, Path(folder))
                row |= {"kind": question.kind, "language": LANGUAGES[language]}
                rows.append(row | {"truth": str(question.truth())} | asdict(outcome))
                print({"right": "+", "wrong": "x", "refused": "."}[outcome.verdict], end="")
                sys.stdout.flush()
                if given.save:
                    with given.save.open("a") as file:
                        file.write(json.dumps(rows[-1], ensure_ascii=False) + "\n")


def main():
    """Ask everything."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("model")
    asked.add_argument("--runs", type=int, default=1)
    asked.add_argument("--languages", default=",".join(LANGUAGES))
    asked.add_argument("--kinds", default="")
    asked.add_argument("--only", type=int, default=0, help="ask a sample of N, of every kind")
    asked.add_argument("--seed", type=int, default=0, help="of the sample")
    asked.add_argument("--no-plain", action="store_true")
    asked.add_argument("--save", type=Path)
    given = asked.parse_args()
    held = given.save.read_text().splitlines() if given.save and given.save.exists() else []
    rows = [json.loads(line) for line in held]
    if given.model != "-":
        ask_all(given, rows)
    for side in dict.fromkeys(row["side"] for row in rows):
        report(side, [row for row in rows if row["side"] == side])


if __name__ == "__main__":
    main()
