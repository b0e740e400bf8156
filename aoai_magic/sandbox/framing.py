"""The control protocol between host and session: JSON objects behind a length.

A frame is four bytes, big-endian, with the length of the JSON that follows, which is ASCII
(text beyond it is escaped). What a session sends is hostile; it can say anything but can
hold no more memory than `MAXIMUM`, and nothing in it is ever unpickled or evaluated.
"""

from __future__ import annotations

import json
import struct
from typing import Any

MAXIMUM = 8 << 20
"""Longest JSON of a frame, in bytes; parsed, the worst takes some twenty times that."""

_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


class FrameError(Exception):
    """The other side does not speak the protocol."""


def encode(frame: Frame) -> bytes:
    """Serialise a frame.

    Raises
    ------
    FrameError
        When it is longer than `MAXIMUM`, or not JSON.
    """
    try:
        body = json.dumps(frame, separators=(",", ":"), allow_nan=False).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"a frame could not be written as JSON: {error}") from None
    if len(body) > MAXIMUM:
        raise FrameError(f"a frame of {len(body):,} bytes is longer than {MAXIMUM:,}")
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Frame:
    """Read the JSON of one frame.

    Raises
    ------
    FrameError
        When it is no JSON object with a string under ``"type"``.
    """
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError):
        raise FrameError("a frame is not JSON") from None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise FrameError("a frame is not an object with a type")
    return frame


class Decoder:
    """Cuts a byte stream into frames, however it is chopped."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes; return the frames that are complete now.

        Raises
        ------
        FrameError
            On a length above `MAXIMUM` or a malformed frame; the stream is lost then.
        """
        self._buffer += data
        frames = []
        while (body := self._next()) is not None:
            frames.append(decode(body))
        return frames

    def _next(self) -> bytes | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > MAXIMUM:
            raise FrameError(f"a frame of {length:,} bytes is longer than {MAXIMUM:,}")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return body
