"""What connects the host with one interpreter."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from aoai_magic.sandbox.host.cgroups import Group
from aoai_magic.sandbox.host.process_handle import Handle


@dataclass(frozen=True)
class Wires:
    """The host's ends: two sockets, and a pipe with what was printed past the channel.

    Frames go over ``channel``, interrupts over ``lifeline``, whose end is the session's. Of
    the pipe the session itself reads what its children print, to keep the order; the host
    reads what is left in it when a cell is over or the session has died.
    """

    channel: socket.socket
    lifeline: socket.socket
    out: int

    def close(self) -> None:
        """Return every descriptor back."""
        self.channel.close()
        self.lifeline.close()
        os.close(self.out)


@dataclass(frozen=True)
class Handles:
    """All that the host holds of one interpreter."""

    leader: Handle
    wires: Wires
    group: Group | None = None


@contextlib.contextmanager
def stretch() -> Iterator[tuple[Wires, list[int]]]:
    """Return the host's ends, and the session's: sockets and both ends of the pipe.

    The session's ends are closed on leaving, for it has them by then; the host's only when
    something went wrong.
    """
    channel, channel_end = socket.socketpair()
    lifeline, lifeline_end = socket.socketpair()
    out, out_end = os.pipe()
    wires = Wires(channel, lifeline, out)
    for fd in (channel.fileno(), lifeline.fileno(), out):
        os.set_blocking(fd, False)
    try:
        yield wires, [channel_end.fileno(), lifeline_end.fileno(), out_end, out]
    except BaseException:
        wires.close()
        raise
    finally:
        channel_end.close()
        lifeline_end.close()
        os.close(out_end)
