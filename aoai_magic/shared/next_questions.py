"""The line in which a model offers next questions at the end of its answer."""

LABEL = "Next questions:"
"""What the line begins with; the questions follow, with `SEPARATOR` between them."""

SEPARATOR = " | "

INSTRUCTIONS = (
    "Where one to three short next questions about the same data are likely, end your answer "
    f"with one more line: `{LABEL}` and the questions, with `{SEPARATOR}` between them, in the "
    "language of the answer."
)
