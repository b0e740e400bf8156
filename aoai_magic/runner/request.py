"""What is asked in one turn, with all that was decided about it before it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aoai_magic.config.settings import Settings, Target
from aoai_magic.errors import AttachError, UsageError
from aoai_magic.locale import gettext as _
from aoai_magic.runner.bind_tables import instructions_for
from aoai_magic.runner.budget import Budget
from aoai_magic.runner.context import Context
from aoai_magic.runner.interpolation import without_expressions
from aoai_magic.runner.options import Options
from aoai_magic.runner.recordings import REPLAY, hash_of
from aoai_magic.runner.typed_answer import Expected, expected
from aoai_magic.shared.next_questions import INSTRUCTIONS
from aoai_magic.state import threads as threads_

if TYPE_CHECKING:
    from aoai_magic.attach.attachment import Attachment
    from aoai_magic.attach.function_tools import Function


@dataclass(frozen=True)
class Request:
    """One turn to be done.

    Attributes
    ----------
    prompt, typed
        What is sent, and what the user typed, with ``{{expression}}`` as it stands.
    options, settings, target
        As they were resolved for this turn.
    notebook, data
        The variables that can be named: the notebook's, and those of the call, which come first.
    number
        Its place among the kernel's questions, in the order in which they were asked.
    place
        The notebook; see `threads.place`.
    attached
        What the thread was given by this kernel: names of variables, and hashes of their content.
    context
        What the model reads besides question and data: the project's guide, cells.
    mcp_tools
        The tools of MCP servers that are offered.
    """

    prompt: str
    typed: str
    options: Options
    settings: Settings
    target: Target
    notebook: Mapping[str, Any]
    data: Mapping[str, Any]
    number: int
    place: str
    attached: Mapping[str, str] = field(default_factory=dict)
    context: Sequence[Context] = ()
    mcp_tools: Sequence[Function] = ()

    @property
    def namespace(self) -> Mapping[str, Any]:
        """The variables that can be named."""
        return {**self.notebook, **self.data}

    @property
    def instructions(self) -> str:
        """What the model is told at the start."""
        out = [instructions_for(self.options.out)] if self.options.out else []
        if self.expected:
            out = [self.expected.instructions(self.options.out)]
        besides = [one.text for one in self.context]
        out += [INSTRUCTIONS] if self.suggests else []
        return "\n\n".join(filter(None, [*besides, self.settings.instructions, *out]))

    @property
    def suggests(self) -> bool:
        """Whether the model may offer questions: not where its answer is a value."""
        return self.settings.suggest_questions and self.expected is None

    @cached_property
    def expected(self) -> Expected | None:
        """The type that the answer's value is to have, if any."""
        given = self.options.as_
        return None if given is None else expected(given, self.namespace)

    @property
    def mentioning(self) -> str:
        """The text in which mentions are looked for: as typed, without what expressions yield."""
        if not self.options.mentions:
            return ""
        return self.typed if self.options.raw else without_expressions(self.typed)

    @cached_property
    def named(self) -> list[str]:
        """The frames that the question names and the magic line does not."""
        if not self.settings.attach_named:
            return []
        from aoai_magic.attach.named_frames import named_frames

        known = (*self.options.items, *self.attached)
        found = named_frames(self.mentioning, self.namespace, known)
        return [name for name in found if name not in self.options.items]

    @property
    def _items(self) -> tuple[str, ...]:
        return (*self.options.items, *self.named)

    @property
    def budget(self) -> Budget:
        """What the turn may take."""
        return Budget(self.settings.max_tokens, self.settings.max_cost)

    @property
    def thread_name(self) -> str:
        """The thread's name."""
        return self.options.thread or threads_.UNNAMED

    @property
    def thread_key(self) -> tuple[str, str]:
        """Target and name, which together mean one thread."""
        return self.target.name, self.thread_name

    def check(self) -> None:
        """Refuse options that the target cannot keep."""
        if self.expected and self.options.tool_choice == "none":
            raise UsageError(
                _(
                    "--as needs the Python tool, since code saves the value; "
                    "leave --tool-choice out."
                )
            )
        self.tool_choice()
        self.functions()

    def check_documents(self, thread: str | None) -> None:
        """Refuse a file search where neither this turn nor its thread has documents."""
        wanted = self.options.tool_choice == "file_search"
        if wanted and not self.options.search and thread is None:
            raise UsageError(_("--tool-choice file_search requires --search PATH."))

    def functions(self) -> list[Function]:
        """Return the notebook's functions, and others' tools, that are offered as tools."""
        from aoai_magic.attach.function_tools import find

        return [*find(self.options.tool, self.namespace), *self.mcp_tools]

    def tool_choice(self) -> str | dict[str, Any] | None:
        """Return the choice as the API takes it: a word, a tool, or a function."""
        choice = self.options.tool_choice
        if choice in (None, "auto", "none", "required"):
            return choice
        if choice in ("code_interpreter", "file_search"):
            return {"type": choice}
        if choice not in [function.name for function in self.functions()]:
            raise UsageError(
                _(
                    "--tool-choice {choice} is not supported; use auto, none, required, "
                    "code_interpreter, file_search, or the name of a function that --tool offers."
                ).format(choice=choice)
            )
        return {"type": "function", "function": {"name": choice}}

    def documents(self, folder: Path) -> list[Attachment]:
        """Return what is to be searched; columns are written into ``folder``."""
        from aoai_magic.attach.resolve import documents

        return documents(self.options.search, self.namespace, working_folder(), folder)

    def attachments(self, folder: Path) -> list[Attachment]:
        """Return the data, packed into ``folder``.

        A frame that only the question names is left out where the thread has it as it is: what
        code did to it since then stays.
        """
        from aoai_magic.attach.resolve import resolve

        found = resolve(
            self._items,
            self.mentioning,
            self.namespace,
            working_folder(),
            rows=self.options.rows,
            schema_only=self.options.schema_only,
            folder=folder,
        )
        there = [name for name in self.named if f"@{name}" not in self.mentioning]
        return [
            item
            for item in found
            if item.name not in there or self.attached.get(item.name) != item.sha256
        ]

    def confirm(self) -> None:
        """Ask before data leaves this machine, or is read from elsewhere on it."""
        from aoai_magic.attach.resolve import describe, describe_documents
        from aoai_magic.runner.consent import confirm, confirm_outside
        from aoai_magic.runner.destination import embeddings_host

        here = working_folder()
        confirm_outside(self._outside(here), here)
        is_played = self.settings.recordings and self.settings.recordings_mode == REPLAY
        if self.settings.confirm_upload and not is_played:
            items = describe(self._items, self.mentioning, self.namespace, here)
            items += describe_documents(self.options.search, self.namespace, here)
            to_others = self.options.search and embeddings_host(self.target, self.settings)
            confirm(
                items,
                self.options.rows,
                self.target,
                self.settings,
                self.options.schema_only,
                to_others or "",
            )

    def plan(self, folder: Path) -> str:
        """Return what would be sent, in words; nothing is."""
        from aoai_magic.runner.dry_run import plan

        here = working_folder()
        attached, documents = self.attachments(folder), self.documents(folder)
        sent = [*attached, *documents]
        outside = _("{path} is outside the folder {folder}; you will be asked before it goes.")
        notes = [
            *self.notes(attached),
            *(item.notice for item in sent if item.notice),
            *(outside.format(path=path, folder=here) for path in self._outside(here)),
        ]
        return plan(
            self.prompt,
            attached,
            documents,
            self.target,
            self.settings,
            self.functions(),
            notes,
            self.instructions,
        )

    def notes(self, attached: Sequence[Attachment]) -> list[str]:
        """Return what the user should know of what is sent: mentions that are mere text, values."""
        from aoai_magic.attach.resolve import unattached
        from aoai_magic.runner.destination import embeddings_host, warn_of_values

        notes = []
        sent = {item.name for item in attached}
        if named := [name for name in self.named if name in sent]:
            text = _("Attached, since the question names it: {names}")
            notes.append(text.format(names=", ".join(named)))
        notes += self._unattached_names(attached)
        if words := unattached(self.mentioning, self.namespace, working_folder()):
            text = _("Sent as text, since no variable or file has that name: {words}")
            notes.append(text.format(words=", ".join(words)))
        if self.options.schema_only:
            notes.append(warn_of_values(self.target, self.settings))
        if self.options.search and (host := embeddings_host(self.target, self.settings)):
            text = _("The documents' text goes to {host}, whose model compares meanings.")
            notes.append(text.format(host=host))
        return [note for note in notes if note]

    def _unattached_names(self, attached: Sequence[Attachment]) -> list[str]:
        """Describe how to attach the data that the question may mean, where none is attached."""
        from aoai_magic.attach.named_frames import named_data

        if attached or self.attached or not (names := named_data(self.mentioning, self.namespace)):
            return []
        text = _("No data is attached. To ask about {name}, write: %%assistant {names}")
        return [text.format(name=", ".join(names), names=" ".join(names))]

    def _outside(self, here: Path) -> list[Path]:
        from aoai_magic.attach.resolve import mentioned_outside

        return mentioned_outside(self.options.items, self.mentioning, self.namespace, here)

    def question(
        self, items: Sequence[Attachment], documents: Sequence[Attachment], after: str
    ) -> dict[str, Any]:
        """Return what the answer depends on; see `recordings.Question`."""
        from aoai_magic.shared.network import hide_credentials, without_credentials

        options = {
            "--model": self.options.model and hide_credentials(self.options.model),
            "--on": self.options.on and without_credentials(self.options.on),
            "--instructions": self.settings.instructions,
            "--effort": self.settings.effort,
            "--tool-choice": self.options.tool_choice,
            "--rows": self.options.rows,
            "--schema-only": self.options.schema_only,
            "--as": hash_of(self.expected.instructions_key) if self.expected else None,
            **{one.name: hash_of(one.text) for one in self.context},
        }
        return {
            "prompt": self.prompt,
            "data": _hashes(items),
            "documents": _hashes(documents),
            "functions": {one.name: hash_of(one.tool) for one in self.functions()},
            "options": {name: value for name, value in options.items() if value},
            "after": after,
        }


def working_folder() -> Path:
    """Return the working folder.

    Raises
    ------
    AttachError
        If somebody has deleted it: what is named by a path cannot be found.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise AttachError(
            _("The working folder is gone; change to another one: %cd FOLDER")
        ) from error


def _hashes(items: Sequence[Attachment]) -> dict[str, str]:
    names = Counter(item.name for item in items)
    return {item.name if names[item.name] == 1 else item.filename: item.sha256 for item in items}
