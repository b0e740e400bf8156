"""The session's end of the control protocol: blocking, safe among threads and forks."""

from __future__ import annotations

import os
import socket
import threading

from aoai_magic.sandbox import framing


class Channel:
    """Sends and receives frames over a connected stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = framing.Decoder()
        self._ready: list[framing.Frame] = []
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._sending = False
        self._interrupted = False

    @property
    def owned(self) -> bool:
        """Whether this process may speak: a forked child would mix its bytes into ours."""
        return os.getpid() == self._owner

    def on_interrupt(self) -> None:
        """Describe that the interrupt was heard and raise it, but never in the middle of a frame.

        Raises
        ------
        KeyboardInterrupt
            Now, or when the frame is out.
        """
        if self._sending:
            self._interrupted = True
            return
        self.send({"type": "interrupted"})
        raise KeyboardInterrupt

    def send(self, frame: framing.Frame) -> None:
        """Send a frame; in a forked child, drop it.

        Raises
        ------
        frames.FrameError
            When the frame is too long or no JSON.
        OSError
            When the host is gone.
        """
        if not self.owned:
            return
        data = framing.encode(frame)
        with self._lock:
            self._sending = threading.current_thread() is threading.main_thread()
            try:
                self._connection.sendall(data)
            finally:
                self._sending = False
        if self._interrupted and threading.current_thread() is threading.main_thread():
            self._interrupted = False
            self.on_interrupt()

    def receive(self) -> framing.Frame | None:
        """Wait for the next frame; None when the host has hung up."""
        while not self._ready:
            data = self._connection.recv(1 << 16)
            if not data:
                return None
            self._ready = self._decoder.feed(data)
        return self._ready.pop(0)
