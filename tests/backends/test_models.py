"""A chat server behind the engine's sandbox, seen from the notebook's side, over both wires."""

import io
import json
from base64 import b64decode

import openai
import pytest
from engine.models.chat_server import KEY, ChatServer, call, fault, say, stream
from engine.models.services import MODELS, Services
from PIL import Image
from serving import TOKEN, serving

from aoai_magic.attach.pictures import for_model
from aoai_magic.attach.resolve import resolve
from aoai_magic.backends.base import Question
from aoai_magic.backends.responses_api.backend import Responses
from aoai_magic.backends.responses_api.engine import EngineBackend
from aoai_magic.backends.sdk import Endpoint
from aoai_magic.backends.services import Service
from aoai_magic.runner.cancel import CancelToken
from aoai_magic.runner.follow import follow
from aoai_magic.state.container_copies import ContainerCopies
from aoai_magic.state.uploads import UploadLog
from aoai_magic.turn import view

DRAW = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
WIRES = [
    "engine",
    pytest.param(
        "service",
        marks=pytest.mark.skipif(
            not hasattr(openai.AsyncOpenAI, "containers"), reason="this SDK knows no containers"
        ),
    ),
]


@pytest.fixture(scope="module")
def running():
    with ChatServer() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch):
    running.bodies.clear()
    monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return running


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("engine")) as url:
        yield url


@pytest.fixture(params=WIRES)
def wire(request):
    return request.param


@pytest.fixture
def ask(request, url, server, tmp_path):
    """Ask by the wire that the test has, or the engine's own; each time another model."""
    upload_log = UploadLog(tmp_path)
    if "wire" in request.fixturenames and request.getfixturevalue("wire") == "service":
        service = Service(f"{url}/v1", TOKEN)
        far = Responses(service, "azure", ContainerCopies(tmp_path, service.url), upload_log)
    else:
        far = EngineBackend(Endpoint(url, TOKEN), "local", upload_log, "here")
    # The engine keeps what it has learnt of a model for as long as it lives.
    model = f"openai:{request.node.name}"

    async def ask(show=lambda seen: None, stop=None, **more):
        question = Question("Go.", model=model, **more)
        return await follow(far.turn(question), show, stop or CancelToken(), 60)

    return ask


def python(code):
    function = {"name": "python", "arguments": json.dumps({"code": code})}
    return stream(call({"index": 0, "id": "call_1", "function": function}))


def think(text):
    return {"choices": [{"index": 0, "delta": {"reasoning_content": text}}]}


async def test_thoughts_are_seen_apart_from_the_answer(server, ask, wire):
    server.answer = lambda body: stream(think("Six "), think("times seven."), say("42"))
    growing = []
    seen = await ask(lambda now: growing.extend(p for p in now.parts if not p.done))
    thoughts, answer = seen.parts
    assert (thoughts.text, thoughts.done, answer.text) == ("Six times seven.", True, "42")
    assert isinstance(thoughts, view.Reasoning)
    assert thoughts.seconds is not None
    assert seen.text == "42"


async def test_a_busy_model_is_waited_for_and_that_is_seen(server, ask):
    answers = [
        fault(429, "Slow down", {"retry-after": "1", "x-should-retry": "true"}),
        stream(say("42")),
    ]
    server.answer = lambda body: answers.pop(0)
    shown = []
    seen = await ask(shown.append)
    assert seen.text == "42"
    said = [v.progress.what for v in shown if v.progress]
    assert "the model takes no more calls for now; trying again in 1 s" in said


async def test_a_wait_can_be_interrupted(server, ask):
    server.answer = lambda body: fault(
        429, "Slow down", {"retry-after": "100", "x-should-retry": "true"}
    )
    stop = CancelToken()

    def show(seen):
        if seen.progress and "trying again in" in seen.progress.what:
            stop()

    seen = await ask(show, stop)
    assert seen.status == "interrupted"


async def test_charts_are_shown_to_a_model_that_sees(server, ask, wire):
    answers = [python(DRAW), stream(say("A line."))]
    server.answer = lambda body: answers.pop(0)
    seen = await ask()
    assert (seen.status, seen.text) == ("completed", "A line.")
    assert len([part for part in seen.parts if isinstance(part, view.Image)]) == 1
    *_, result, drawn = server.bodies[-1]["messages"]
    assert result["role"] == "tool"
    assert drawn["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


async def test_a_model_that_sees_nothing_answers_without_a_word_about_it(server, ask, wire):
    answers = [python(DRAW), fault(400, "m is not a multimodal model"), stream(say("A line."))]
    server.answer = lambda body: answers.pop(0)
    seen = await ask()
    assert (seen.status, seen.text) == ("completed", "A line.")
    assert not [part for part in seen.parts if isinstance(part, view.Notice)]


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (4, 3), "red").save(tmp_path / "red.png")
    attachments = resolve(["@red.png"], "", {}, tmp_path, folder=tmp_path)
    return {"attachments": attachments, "pictures": for_model(attachments)[0]}


async def test_an_attached_picture_is_shown_to_a_model_that_sees(server, ask, wire, picture):
    server.answer = lambda body: stream(say("It is red."))
    seen = await ask(**picture)
    assert (seen.status, seen.text) == ("completed", "It is red.")
    assert not [part for part in seen.parts if isinstance(part, view.Notice)]
    if wire == "engine":
        assert len(server.bodies) == 1  # what it saw needs no code
    content = server.bodies[0]["messages"][-1]["content"]
    [shown] = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    assert Image.open(io.BytesIO(b64decode(shown.partition(",")[2]))).getpixel((0, 0))[0] == 255


async def test_a_model_that_takes_no_pictures_is_asked_without_and_that_is_said(
    server, ask, picture
):
    answers = [fault(400, "m is not a multimodal model"), python("print(1)"), stream(say("Red."))]
    server.answer = lambda body: answers.pop(0)
    seen = await ask(**picture)
    assert (seen.status, seen.text) == ("completed", "Red.")
    [notice] = [part.text for part in seen.parts if isinstance(part, view.Notice)]
    assert notice == (
        "The model takes no pictures: it was not shown red.png, which its code can read."
    )
    assert "base64" not in json.dumps(server.bodies[-1])


async def test_pictures_that_are_kept_from_the_model_are_not_sent(
    server, ask, picture, monkeypatch
):
    monkeypatch.setenv("AOAI_MAGIC_PICTURES", "off")
    server.answer = lambda body: stream(say("I read it."))
    seen = await ask(**picture)
    assert "base64" not in json.dumps(server.bodies)
    assert any(isinstance(part, view.Notice) for part in seen.parts)


async def test_a_model_that_runs_the_same_code_for_ever_is_told_and_stopped(server, ask, wire):
    server.answer = lambda body: python("print(6 * 7)")
    seen = await ask()
    assert seen.status == "failed"
    assert "same code 4 times over" in seen.error
    assert len([part for part in seen.parts if isinstance(part, view.Code)]) == 5
    assert "has run before" in server.bodies[2]["messages"][-1]["content"]


async def test_a_key_that_is_revoked_in_the_middle_leaves_what_was_there(server, ask, wire):
    answers = [python("print(6 * 7)"), fault(401, "Revoked")]
    server.answer = lambda body: answers.pop(0)
    seen = await ask()
    assert seen.status == "failed"
    assert "refused the key; set OPENAI_API_KEY" in seen.error
    assert [part.text for part in seen.parts if isinstance(part, view.Logs)] == ["42\n"]


async def test_no_usage_is_no_error(server, ask, wire):
    server.answer = lambda body: stream(say("42"))
    seen = await ask()
    assert (seen.status, seen.usage.total_tokens) == ("completed", 0)


async def test_cached_tokens_are_told_apart(server, ask, wire):
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    server.answer = lambda body: stream(say("42"), {"choices": [], "usage": usage})
    used = (await ask()).usage
    assert (used.input_tokens, used.output_tokens, used.cached_tokens) == (9, 2, 4)


async def test_whether_a_model_would_answer_can_be_asked(server, url, tmp_path):
    server.models = ["llama3"]
    far = EngineBackend(Endpoint(url, TOKEN), "local", UploadLog(tmp_path), "here")
    assert await far.check("openai:llama3") == ""
    assert "there are llama3" in await far.check("openai:llama4")
    assert "No model is named" in await far.check("openai:")
    assert await far.check("offline") == ""


async def test_an_effort_reaches_the_model_or_is_refused_with_what_it_takes(server, ask, wire):
    server.answer = lambda body: stream(say("42"))
    assert (await ask(effort="xhigh")).text == "42"
    assert server.bodies[-1]["reasoning_effort"] == "xhigh"
    words = (
        "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. "
        "Supported values are: 'none', 'low', and 'high'."
    )
    server.answer = lambda body: fault(400, words, param="reasoning_effort")
    seen = await ask(effort="minimal")
    assert seen.status == "failed"
    assert "does not take the effort 'minimal'; it takes none, low, high." in seen.error


@pytest.mark.parametrize("name", MODELS)
async def test_todays_models_run_code_in_the_sandbox_and_answer(server, url, tmp_path, name):
    server.answer = Services(server).answer
    far = EngineBackend(Endpoint(url, TOKEN), "local", UploadLog(tmp_path), "here")
    question = Question("Six by seven?", model=f"openai:{name}")
    seen = await follow(far.turn(question), lambda view: None, CancelToken(), 60)
    assert (seen.status, seen.text) == ("completed", "It is 42.")
    (code,) = [part for part in seen.parts if isinstance(part, view.Code)]
    assert (code.code, code.state) == ("print(6 * 7)", "done")


async def test_reasoning_is_handed_back_in_later_runs_of_a_thread(
    server, url, tmp_path, monkeypatch, wire
):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.url.removesuffix("/v1"))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    server.answer = Services(server).answer
    upload_log = UploadLog(tmp_path)
    far = EngineBackend(Endpoint(url, TOKEN), "local", upload_log, "here")
    if wire == "responses":
        service = Service(f"{url}/v1", TOKEN)
        far = Responses(service, "openai", ContainerCopies(tmp_path, service.url), upload_log)
    thread = None
    for _ in range(2):
        question = Question("Six by seven?", thread=thread, model="azure:gpt-6-astra")
        seen = await follow(far.turn(question), lambda view: None, CancelToken(), 60)
        assert (seen.status, seen.text) == ("completed", "It is 42.")
        thread = seen.thread
    kinds = [item["type"] for item in server.bodies[-1]["input"]]
    run = ["message", "reasoning", "function_call", "function_call_output"]
    assert kinds == [*run, "reasoning", "message", *run]


@pytest.mark.parametrize(
    "arguments",
    [
        '{"code": """print(6 * 7)"""}',
        '{"code": "print(\'6 by 7\', "is", 6 * 7)"}',
        "{'code': 'print(6 * 7)'}",
    ],
)
async def test_arguments_that_are_nearly_json_are_read(server, ask, arguments):
    function = {"name": "python", "arguments": arguments}
    made = stream(
        call({"index": 0, "id": "call_1", "function": function}),
        say("", finish_reason="tool_calls"),
    )
    answers = [made, stream(say("42"))]
    server.answer = lambda body: answers.pop(0)
    seen = await ask()
    (logs,) = [part for part in seen.parts if isinstance(part, view.Logs)]
    assert "42" in logs.text
