"""The parser of what sessions send survives anything."""

from __future__ import annotations

import itertools
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoai_magic.sandbox import framing

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
good_frames = st.dictionaries(st.text(), json_values, max_size=4).flatmap(
    lambda rest: st.text().map(lambda kind: {**rest, "type": kind})
)


def feed_in_pieces(data: bytes, cuts: list[int]) -> list[framing.Frame]:
    decoder = framing.Decoder()
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    found = []
    for start, end in itertools.pairwise(bounds):
        found += decoder.feed(data[start:end])
    return found


@given(st.lists(good_frames, max_size=5), st.lists(st.integers(min_value=0), max_size=8))
def test_frames_arrive_however_they_are_chopped(sent, cuts):
    data = b"".join(map(framing.encode, sent))
    assert feed_in_pieces(data, cuts) == sent


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=4))
def test_garbage_gives_frames_or_an_error_of_the_protocol(data, cuts):
    try:
        found = feed_in_pieces(data, cuts)
    except framing.FrameError:
        return
    assert all(isinstance(frame["type"], str) for frame in found)


@given(st.binary(max_size=200))
def test_a_frame_with_any_content_gives_an_object_or_an_error(body):
    try:
        (frame,) = framing.Decoder().feed(struct.pack(">I", len(body)) + body)
    except framing.FrameError:
        return
    assert isinstance(frame["type"], str)


@given(json_values)
def test_json_of_another_shape_is_refused(value):
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return
    with pytest.raises(framing.FrameError):
        framing.decode(json.dumps(value).encode())


def test_a_long_frame_is_refused_before_it_is_read():
    with pytest.raises(framing.FrameError, match="longer"):
        framing.Decoder().feed(struct.pack(">I", framing.MAXIMUM + 1))


def test_deep_nesting_is_refused():
    with pytest.raises(framing.FrameError):
        framing.decode(b"[" * 100_000)


def test_huge_numbers_are_refused():
    with pytest.raises(framing.FrameError):
        framing.decode(b'{"type": "done", "n": ' + b"9" * 100_000 + b"}")


def test_what_is_no_json_or_too_long_is_not_sent():
    with pytest.raises(framing.FrameError):
        framing.encode({"type": "x", "value": float("nan")})
    with pytest.raises(framing.FrameError):
        framing.encode({"type": "x", "value": "x" * framing.MAXIMUM})
