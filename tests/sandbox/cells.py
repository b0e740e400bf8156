"""What a cell yielded, sorted for looking at."""

from __future__ import annotations

from dataclasses import dataclass

from aoai_magic.sandbox.protocol import (
    Display,
    Done,
    Ended,
    Error,
    Event,
    Limit,
    Stream,
)


@dataclass
class Outcome:
    events: list[Event]

    def _of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self._of(Stream))

    @property
    def displays(self) -> list[Display]:
        return self._of(Display)

    @property
    def result(self) -> str | None:
        results = [event.data["text/plain"] for event in self.displays if event.result]
        return results[0] if results else None

    @property
    def pictures(self) -> list[bytes]:
        return [event.data["image/png"] for event in self.displays if "image/png" in event.data]

    @property
    def error(self) -> Error | None:
        errors = self._of(Error)
        return errors[0] if errors else None

    @property
    def limits(self) -> list[str]:
        return [event.kind for event in self._of(Limit)]

    @property
    def ended(self) -> list[str]:
        return [event.message for event in self._of(Ended)]

    @property
    def done(self) -> Done:
        assert isinstance(self.events[-1], Done)
        assert len(self._of(Done)) == 1
        return self.events[-1]


async def run(session, code: str, timeout: float | None = 30) -> Outcome:
    return Outcome([event async for event in session.run(code, timeout)])
