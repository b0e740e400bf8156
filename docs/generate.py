"""Writes the reference pages that the code already knows, such as options and settings."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from importlib.resources import files
from pathlib import Path

from aoai_magic.config.settings import Settings
from aoai_magic.engine.server.app import ROUTES
from aoai_magic.notebook.line_commands import COMMANDS, HELP
from aoai_magic.notebook.magics import AssistantMagics, parser
from aoai_magic.sandbox.limits import NAMES as LIMITS
from aoai_magic.sandbox.protocol import Limits


def page(title: str, intro: str, *blocks: str) -> str:
    """Write a page of the reference."""
    return "\n\n".join([f"# {title}", intro, *blocks]) + "\n"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)


def cell(text: str) -> str:
    """Keep a text in its cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


def options() -> str:
    """Every option of the magic, from its parser."""
    rows = []
    for action in parser()._actions:
        if not action.option_strings or action.dest == "help":
            continue
        value = action.metavar or ""
        names = ", ".join(f"`{name} {value}`".replace(" `", "`") for name in action.option_strings)
        keyword = f"`{action.dest}`"
        rows.append([names, keyword, action.help or ""])
    return page(
        "Options",
        "`%%assistant [ITEM ...] [options]`, with the question in the cell. `%%aoai` is the same "
        "magic. An ITEM is the name of a variable, or `@path` or `@glob` for files. "
        "`aoai_magic.ask` and `aoai_magic.aask` take the same options as keywords.",
        table(["option", "keyword", "effect"], rows),
    )


def commands() -> str:
    """Every line command."""
    rows = [[f"`%assistant {name}`", HELP.get(name, "")] for name in COMMANDS]
    return page(
        "Commands",
        "`%assistant COMMAND` does everything that is not a question. Other words after "
        "`%assistant` are a question, options first: `%assistant What is the mean of @sales?`",
        table(["command", "what it does"], rows),
    )


def settings() -> str:
    """Every setting, with its default and its environment variable."""
    traits = AssistantMagics.class_traits(config=True)
    rows = []
    for one in fields(Settings):
        if one.name in traits:
            trait = traits[one.name]
            variable = f"`AOAI_MAGIC_{one.name.upper()}`"
            default = f"`{json.dumps(trait.default())}`"
            rows.append([f"`{one.name}`", variable, default, trait.help])
    return page(
        "Settings",
        "The strongest source wins: magic option, `%config AssistantMagics.NAME = VALUE`, "
        "environment variable, traitlets configuration file "
        "(`c.AssistantMagics.NAME = VALUE` in `ipython_config.py`), JupyterLab's settings editor, "
        "default. `%assistant config` lists the current values and where each came from.",
        table(["setting", "environment variable", "default", "meaning"], rows),
    )


def limits() -> str:
    """Every limit of a sandbox session."""
    defaults = asdict(Limits())
    rows = [
        [f"`{name}`", f"`AOAI_MAGIC_SESSION_{name.upper()}`", defaults[name]] for name in LIMITS
    ]
    return page(
        "Sandbox limits",
        "The limits of one session. Set them by environment variable before the kernel starts, or "
        "with `aoai-magic serve --limit NAME=VALUE`. Sizes take suffixes (`2G`). The model is told "
        "which limit its code hit.",
        table(["limit", "environment variable", "default (bytes, seconds or a count)"], rows),
    )


def turn_record() -> str:
    """Every key of a saved turn, and its schema."""
    schema = json.loads(files("aoai_magic.display.saved").joinpath("turn.schema.json").read_text())
    rows = [
        [f"`{name}`", kind(one), one.get("description", "")]
        for name, one in schema["properties"].items()
    ]
    return page(
        "Saved turns",
        "The footer of each answer carries the turn under the MIME type "
        "`application/vnd.aoai-magic.turn+json`, so that a saved notebook can be read by programs. "
        "What other outputs of the cell hold is left out: pictures, and code with what it printed. "
        "The list of files carries those of at most 16 kB as "
        "`application/vnd.aoai-magic.files+json`: name, size, kind, way in Python, data. "
        "`version` is raised when a reader of the older form would misread the newer one.",
        table(["key", "type", "meaning"], rows),
        "## JSON schema",
        f"```json\n{json.dumps(schema, indent=2)}\n```",
    )


def kind(schema: dict) -> str:
    """Name a schema's type in a few words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    named = schema.get("type", "object")
    return " or ".join(named) if isinstance(named, list) else named


REQUESTS = [
    [
        '`tools[].container: {"type": "session", "file_ids": […]}`',
        "Runs the code of a `conversation` in a session of its own instead of a container. It "
        "does not expire: once it has ended, the next code finds the files again, and no "
        "variables. Uploaded files are given by `file_ids` (or `input_file`) without a copy; "
        "files that code makes are ordinary files, cited by `file_path` annotations. Calls that "
        "the client left unanswered count as answered with nothing.",
    ],
    [
        '`tools[].container: {"type": "auto", "memory_limit": "4g", "skills": […]}`',
        "As for `POST /containers`. Without `memory_limit` (`1g`, `4g`, `16g`, `64g`) code may "
        "hold what the [limit](limits.md) `memory` says; more than `most_memory` or the machine "
        "has is refused. A skill, by reference or inline, lies at `/mnt/skills/NAME` for reading, "
        "and the model is shown its name and description. A skill is a zip file of at most 16 MB, "
        "or files by their paths, with a `SKILL.md` that begins with a front matter of `name` and "
        "`description`: at most 500 files and 50 MB unpacked. A `network_policy` with an "
        "allow-list is refused: sessions have no network at all, and the engine has no proxy.",
    ],
    ['`include: ["engine_extensions"]`', "Asks for the events and fields below."],
    [
        "header `Idempotency-Key`",
        "A second request with the same key, to be streamed like the first, gets the first "
        "one's stream from its beginning.",
    ],
]
EVENTS = [
    [
        "`response.code_interpreter_call.outputs.delta`",
        "`item_id`, `output_index`, `index` of the output, and `delta`: what was added to it "
        "while the code runs. Logs grow; a picture comes whole.",
    ],
    [
        "`response.engine.usage`",
        "`usage` of the response so far, after each call of the model.",
    ],
    ["`response.engine.waiting`", "`reason`: the model is busy and is asked again."],
]
FIELDS = [
    [
        "`code_interpreter_call`",
        "`engine`: `outcome` (`ok`, `error`, `limit`, `ended`, `interrupted`), `error`, "
        "`seconds`, `session` (`new`, `live`, `restored`), `isolation`, and `files`: `id`, "
        "`filename` and `bytes` of each file made or changed.",
    ],
    ["its outputs of type `image`", "`file_id`, `filename`."],
]


def engine() -> str:
    """Every route of the engine."""
    own, public = [], []
    for method, path, handler in ROUTES:
        summary = (handler.__doc__ or "").strip().splitlines()
        row = [f"`{method} {path}`", summary[0] if summary else ""]
        (own if path.startswith("/engine") else public).append(row)
    return page(
        "Engine endpoints",
        "`aoai-magic serve` answers under `/v1` (OpenAI's form), `/openai/v1` and "
        "`/openai?api-version=…` (Azure's forms). Every request needs the token, as "
        "`Authorization: Bearer TOKEN` or `api-key: TOKEN`; `/healthz` needs none.",
        "## Extensions\n\nBeyond the two APIs. Other clients can ignore them.",
        table(["endpoint", "what it does"], own),
        "A conversation's metadata `vector_store_id` names the vector store of its documents; "
        "it is copied and deleted with the conversation under `/engine/threads`, where an id "
        "may be that of a conversation or of a thread.",
        "### Requests of responses",
        table(["field", "what it does"], REQUESTS),
        "### Events of responses",
        table(["event", "fields"], EVENTS),
        "### Fields of items",
        table(["item", "fields"], FIELDS),
        "## The Assistants and Responses APIs",
        table(["endpoint", "what it does"], public),
        "`/responses` takes a WebSocket too (`client.responses.connect()`): each message of type "
        "`response.create` asks for a response, one after another, and each event is a message. "
        "`background`, `generate`, `stream_id` and `response.steer` are refused.",
    )


PAGES = {
    "options": options,
    "commands": commands,
    "settings": settings,
    "limits": limits,
    "turn-record": turn_record,
    "engine": engine,
}


def generate(folder: Path) -> None:
    """Write the pages whose text has changed, so that a second build reads few."""
    for name, write in PAGES.items():
        path, text = folder / f"{name}.md", write()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
