"""The persona: answers in a chat of Jupyter AI, computed in the sandbox.

It runs in Jupyter's server, not in a kernel: it sees the frames that notebooks share
(``%assistant share``) and the files that are attached to a message, and no others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_ai_persona_manager import BasePersona, PersonaDefaults
from jupyterlab_chat.models import Message, MimeModel, NewMessage

from aoai_magic.display.markdown.to_markdown import safe_markdown
from aoai_magic.display.outputs import Bundle
from aoai_magic.display.saved.bundles import bundles
from aoai_magic.errors import AssistantError, UsageError
from aoai_magic.jupyter_ai.shared_frames import named_frames
from aoai_magic.locale import gettext as _
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.kernel_state import Assistant
from aoai_magic.runner.options import Options
from aoai_magic.runner.turn import Turn
from aoai_magic.turn import view as views
from aoai_magic.turn.view import View

_SECONDS = 0.5
_PICTURES = "image/"


class AssistantPersona(BasePersona):  # type: ignore[misc]
    """Answers questions about data by Python that runs in the sandbox."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._state = Assistant({}, opener=self._open_screen)

    @property
    def defaults(self) -> PersonaDefaults:
        """How the chat shows the persona."""
        return PersonaDefaults(
            name="aoai-magic",
            description=_("Answers questions about data; its Python runs in a sandbox."),
            avatar_path=str(Path(__file__).with_name("avatar.svg")),
            system_prompt="",
        )

    async def process_message(self, message: Message) -> None:
        """Answer a message."""
        question = message.body.replace(f"@{self.as_user().mention_name}", "").strip()
        try:
            async with named_frames(question, self._state.settings().folder) as frames:
                await self._ask(question, (*frames, *self._files(message)))
        except AssistantError as error:
            self.send_message(safe_markdown(str(error)))
        finally:
            self._state.turns.clear()
            self.clear_status()

    async def _ask(self, question: str, files: tuple[Path, ...]) -> None:
        if files and self._state.settings().confirm_upload:
            raise UsageError(
                _(
                    "The setting confirm_upload asks before data is sent, and a chat cannot ask: "
                    "ask in a notebook, or turn it off for Jupyter's server."
                )
            )
        options = Options(
            items=tuple(f"@{path}" for path in files),
            thread=f"jupyter-ai {self.chat.get_id()}",
            raw=True,
            mentions=False,  # who writes in a chat names files by attaching them
            no_raise=True,
            save=str(self._new_folder()),
        )
        turn = await self._state.ask(question, options)
        assert isinstance(turn, Turn)  # neither a dry run nor one in the background
        for trouble in turn.troubles:
            self.send_message(safe_markdown(str(trouble)))

    def _files(self, message: Message) -> list[Path]:
        found = map(self.resolve_attachment_to_path, message.attachments or ())
        return [Path(path) for path in found if path]

    def _new_folder(self) -> Path:
        """Return where the files of an answer go: beside the chat, a folder for each answer."""
        chat = Path(self.get_chat_path())
        folder = chat.with_name(f"{chat.stem}_files")
        number = 1
        while (folder / str(number)).exists():
            number += 1
        return folder / str(number)

    async def cancel_response(self) -> None:
        """Stop the answer that is being written."""
        self._state.stop()

    def _open_screen(self, _display: str, _cancel: CancelToken) -> Callable[[], ChatScreen]:
        return lambda: ChatScreen(self)


class ChatScreen:
    """Shows one turn in a chat: its text as it comes, then all of it, pictures last."""

    def __init__(self, persona: AssistantPersona) -> None:
        self._persona = persona
        self._message = ""
        self._shown = ""
        self._next = 0.0
        self._closed = False

    def show(self, view: View) -> None:
        """Show the text so far, a few times a second."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS
        running = any(isinstance(one, views.Code) and not one.done for one in view.parts)
        self._persona.set_status(_("is running Python…") if running else _("is thinking…"))
        texts = [part.text for part in view.parts if isinstance(part, views.Text)]
        self._write("\n\n".join(map(safe_markdown, texts)))

    def close(self, view: View) -> None:
        """Show the turn, once."""
        if self._closed:
            return
        self._closed = True
        outputs = bundles(view)
        texts = [one.data.get("text/markdown", "") for one in outputs if not _picture(one)]
        self._write("\n\n".join(filter(str.strip, texts)))
        for output in outputs:
            if kind := _picture(output):
                self._draw(output, kind)

    def _write(self, body: str) -> None:
        chat, sender = self._persona.chat, self._persona.id
        if not body.strip() or body == self._shown:
            return
        if not self._message:
            self._message = chat.add_message(NewMessage(body=body, sender=sender))
        else:
            update = Message(
                id=self._message, body=body, time=time.time(), sender=sender, raw_time=False
            )
            chat.update_message(update, trigger_actions=[])
        self._shown = body

    def _draw(self, output: Bundle, kind: str) -> None:
        title = str(output.data.get("text/plain", ""))
        model = MimeModel(data={kind: output.data[kind], "text/plain": title})
        chat, sender = self._persona.chat, self._persona.id
        chat.add_message(NewMessage(body=title, sender=sender, mime_model=model))


def _picture(output: Bundle) -> str:
    """Return the type of the picture that an output is, empty for another output."""
    return next((kind for kind in output.data if kind.startswith(_PICTURES)), "")
