"""Turns in bad weather: refusals, busy services, and connections cut at every event."""

import json

import openai
import pytest
from serving import TOKEN, serving, write_script

from aoai_magic.attach.pictures import Picture
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.backends.services import Service
from aoai_magic.errors import ServiceError
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view
from aoai_magic.turn.events import CodeRunning

pytestmark = pytest.mark.skipif(
    not hasattr(openai.AsyncOpenAI, "containers"), reason="this openai SDK knows no containers"
)

TURN = [
    {"text": "Let me see.", "code": "open('/mnt/data/x.txt', 'w').write('x')\nprint(6 * 7)"},
    {"text": "It is 42.", "chunk": 4, "usage": {"prompt_tokens": 9, "completion_tokens": 3}},
]


GONE = {"error": {"message": "Container is expired."}}


class Faults:
    """ASGI middleware that refuses requests for responses, or cuts their streams.

    ``refusals`` holds what is answered instead, ``cut`` after how many events a stream
    is cut; each once.
    """

    def __init__(self, app):
        self.app = app
        self.refusals = []
        self.cut = None
        self.no_replay = False
        self.no_files = False
        self.requests = []

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or "/responses" not in scope["path"]:
            broken = self.no_files and scope["type"] == "http" and "/files" in scope["path"]
            await (self.refuse(send, 400, GONE) if broken else self.app(scope, receive, send))
            return
        self.requests.append((scope["method"], scope["path"].rpartition("/")[2]))
        if scope["method"] == "POST" and scope["path"].endswith("/responses") and self.refusals:
            await self.refuse(send, *self.refusals.pop(0))
        elif self.no_replay and b"stream=true" in scope["query_string"]:
            await self.refuse(send, 400, {"error": {"message": "No replay."}})
        else:
            await self.app(scope, receive, self.cutting(send))

    async def refuse(self, send, status, body, *headers):
        headers = [(b"content-type", b"application/json"), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def cutting(self, send):
        count = 0

        async def cut(message):
            nonlocal count
            count += message.get("body", b"").count(b"\nevent: ") + message.get(
                "body", b""
            ).startswith(b"event: ")
            await send(message)
            if self.cut is not None and count >= self.cut:
                self.cut = None
                raise ConnectionError("cut by the test")

        return cut


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """Return the faults and the service that has them."""
    wrapped = []

    def wrap(app):
        wrapped.append(Faults(app))
        return wrapped[0]

    with serving(tmp_path_factory.mktemp("engine"), wrap) as url:
        yield wrapped[0], Service(f"{url}/v1", TOKEN)


@pytest.fixture
def faults(far):
    faults = far[0]
    faults.refusals, faults.requests, faults.cut = [], [], None
    faults.no_replay = faults.no_files = False
    return faults


@pytest.fixture
def ask(far, faults, tmp_path):
    """Do one turn."""
    home = tmp_path / "home"
    backend = Responses(far[1], "openai", ContainerCopies(home, far[1].url), UploadLog(home))
    (tmp_path / "scripts").mkdir()
    model = write_script(tmp_path / "scripts", {"when": "", "replies": TURN})

    async def ask(thread=None, model=model, show=lambda seen: None, **more):
        question = Question("Go.", (), thread, model, **more)
        return await follow(backend.turn(question), show, CancelToken(), timeout=60)

    return ask


def told(seen):
    """Return what a turn came to, without what differs from turn to turn."""
    code = [(p.code, p.state) for p in seen.parts if isinstance(p, view.Code)]
    logs = [p.text for p in seen.parts if isinstance(p, view.Logs)]
    files = [(f.name, f.data) for f in seen.files]
    return seen.status, seen.error, seen.text, code, logs, files, seen.usage


async def test_a_stream_that_cannot_be_resumed_is_polled_to_its_end(faults, ask):
    whole = told(await ask())
    faults.cut, faults.no_replay = 6, True
    assert told(await ask()) == whole


async def test_a_busy_service_is_asked_again_when_it_says(faults, ask):
    busy = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
    faults.refusals = [(429, busy, (b"retry-after-ms", b"120")), (503, busy)]
    shown = []
    seen = await ask(show=shown.append)
    assert seen.text.endswith("It is 42.")
    waits = [v.progress.what for v in shown if v.progress and "trying again" in v.progress.what]
    assert "the rate limit is reached; trying again in 0 s" in waits
    assert faults.requests.count(("POST", "responses")) == 3


async def test_a_service_that_takes_no_pictures_is_asked_without(faults, ask):
    faults.refusals = [(400, {"error": {"message": "This model does not support image inputs."}})]
    seen = await ask(pictures=[Picture("chart.png", "image/png", b"x")])
    assert seen.text.endswith("It is 42.")
    [notice] = [part.text for part in seen.parts if isinstance(part, view.Notice)]
    assert "it was not shown chart.png" in notice
    assert faults.requests.count(("POST", "responses")) == 2


async def test_a_service_that_is_busy_for_long_is_not_waited_for(faults, ask):
    faults.refusals = [(429, {"error": {"message": "Slow down."}}, (b"retry-after", b"900"))]
    seen = await ask()
    assert seen.status == "failed"
    assert "900 s" in seen.error


async def test_a_quota_that_is_used_up_is_not_waited_for(faults, ask):
    faults.refusals = [(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})]
    seen = await ask()
    assert (seen.status, "Pay." in seen.error) == ("failed", True)
    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, {"message": "Incorrect API key", "code": "invalid_api_key"}, "not accept the key"),
        (403, {"message": "Denied", "code": "PermissionDenied"}, "lacks a role"),
        (404, {"message": "None", "code": "DeploymentNotFound"}, "no deployment or model 'gpt-9'"),
        (404, {"message": "Resource not found", "code": "404"}, "does not serve the Responses"),
        (
            400,
            {
                "message": "The response was filtered",
                "code": "content_filter",
                "innererror": {"content_filter_result": {"self_harm": {"filtered": True}}},
            },
            "content filter refused the question (self harm)",
        ),
        (400, {"message": "Tool not supported in this region."}, "not offer code_interpreter"),
        (
            400,
            {"message": "Hosted tool 'code_interpreter' is not supported with gpt-9."},
            "model of 'gpt-9' does not offer code_interpreter",
        ),
        (
            400,
            {"message": "Hosted tool 'file_search' is not supported with gpt-9."},
            "model of 'gpt-9' does not offer file_search",
        ),
        (400, {"message": "Bad input."}, "Bad input."),
    ],
)
async def test_refusals_say_what_to_do(faults, ask, status, error, words):
    faults.refusals = [(status, {"error": error})]
    seen = await ask(model="gpt-9")
    assert seen.status == "failed"
    assert words in seen.error


async def test_a_check_costs_nothing_and_finds_what_is_wrong(faults, far, tmp_path):
    home = tmp_path / "home"
    backend = Responses(far[1], "openai", ContainerCopies(home, far[1].url), UploadLog(home))
    await backend.check("gpt-9")
    faults.refusals = [(404, {"error": {"message": "None", "code": "DeploymentNotFound"}})]
    with pytest.raises(ServiceError, match="no deployment or model 'gpt-9'"):
        await backend.check("gpt-9")


async def test_a_container_that_expires_in_between_is_rebuilt(faults, ask):
    first = await ask()
    faults.refusals = [(400, GONE)]
    second = await ask(first.thread)
    assert (second.status, second.text) == (first.status, first.text)
    assert second.thread.split("|")[1] != first.thread.split("|")[1]
    (notice,) = (p.text for p in second.parts if isinstance(p, view.Notice))
    assert "had expired" in notice


async def test_an_answer_stays_when_its_files_have_gone(faults, ask):
    faults.no_files = True
    seen = await ask()
    assert (seen.status, seen.text) == ("completed", "Let me see.\n\nIt is 42.")
    (notice,) = (p.text for p in seen.parts if isinstance(p, view.Notice))
    assert "could not be listed" in notice


async def test_a_thread_goes_on_where_files_are_not_listed(faults, ask):
    first = await ask()
    faults.no_files = True
    second = await ask(first.thread)
    assert (second.status, second.text) == ("completed", "Let me see.\n\nIt is 42.")
    assert second.thread.split("|")[1] == first.thread.split("|")[1]


async def test_a_forgotten_conversation_begins_anew(ask):
    first = await ask()
    container = first.thread.split("|")[1]
    second = await ask(f"resp_unknown|{container}")
    assert second.status == "completed"
    (notice,) = (p.text for p in second.parts if isinstance(p, view.Notice))
    assert "a new one was started" in notice


@pytest.mark.parametrize(
    "refusal",
    [
        {"message": "Background mode is not supported."},
        {"message": "Unsupported parameter.", "param": "reasoning.summary"},
    ],
)
async def test_what_a_service_refuses_is_asked_for_once(faults, ask, refusal):
    faults.refusals = [(400, {"error": refusal})]
    assert (await ask()).status == "completed"
    assert (await ask()).status == "completed"
    assert faults.requests.count(("POST", "responses")) == 3


async def test_thoughts_come_as_paragraphs(ask, tmp_path):
    seen = await ask(model=write_script(tmp_path, [{"reasoning": "Hm.", "text": "42"}]))
    (thoughts,) = (part for part in seen.parts if isinstance(part, view.Reasoning))
    assert (thoughts.text, thoughts.done, seen.text) == ("Hm.", True, "42")
    assert thoughts.seconds is not None


async def test_a_container_is_paid_by_the_minute_and_once(far, ask, tmp_path):
    home = tmp_path / "home"
    backend = Responses(far[1], "openai", ContainerCopies(home, far[1].url), UploadLog(home), 5)
    model = write_script(tmp_path, {"when": "", "replies": TURN})

    async def asked(thread):
        turn = backend.turn(Question("Go.", (), thread, model))
        return await follow(turn, lambda seen: None, CancelToken(), timeout=60)

    first = await asked(None)
    assert first.usage.container_minutes == 5
    assert (await asked(first.thread)).usage.container_minutes == 0


async def test_an_answer_is_no_longer_than_allowed(ask, tmp_path, far):
    home = tmp_path / "home"
    backend = Responses(far[1], "openai", ContainerCopies(home, far[1].url), UploadLog(home))
    reply = {**TURN[0], "usage": {"prompt_tokens": 1, "completion_tokens": 40}}
    model = write_script(tmp_path, {"when": "", "replies": [reply, TURN[1]]})
    turn = backend.turn(Question("Go.", model=model, max_output=20))
    seen = await follow(turn, lambda seen: None, CancelToken(), timeout=60)
    assert (seen.status, seen.text) == ("incomplete", "Let me see.")


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        ({"text": "I be", "finish": "length"}, "incomplete", "incomplete (max_output_tokens)"),
        ({"text": "I be", "finish": "content_filter"}, "incomplete", "content filter"),
        ({"text": "I be", "error": {"message": "It broke"}}, "failed", "It broke."),
    ],
)
async def test_ends_are_said_in_words(ask, tmp_path, reply, status, words):
    seen = await ask(model=write_script(tmp_path, [reply]))
    assert (seen.status, seen.text) == (status, "I be")
    assert words in seen.error


async def test_closing_a_turn_early_cancels_its_response(faults, far, tmp_path):
    home = tmp_path / "home"
    backend = Responses(far[1], "openai", ContainerCopies(home, far[1].url), UploadLog(home))
    model = write_script(tmp_path, [{"code": "import time\ntime.sleep(600)"}])
    turn = backend.turn(Question("Go.", model=model))
    async for event in turn:
        if isinstance(event, CodeRunning):
            break
    await turn.aclose()
    assert ("POST", "cancel") in faults.requests
