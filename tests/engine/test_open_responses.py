"""The compliance cases that Open Responses publishes, asked through the SDK.

https://www.openresponses.org/compliance: each names its request and what has to be in the
answer, which must be of the published shape besides.
"""

from __future__ import annotations

import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from serving import TOKEN, serving

pytestmark = pytest.mark.skipif(
    not hasattr(OpenAI, "containers"), reason="this openai SDK knows no code interpreter yet"
)

REQUIRED = [
    "id",
    "object",
    "created_at",
    "completed_at",
    "status",
    "incomplete_details",
    "model",
    "instructions",
    "previous_response_id",
    "output",
    "error",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "reasoning",
    "user",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "store",
    "background",
    "service_tier",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
]
"""The keys that the specification requires of every response."""

HEART = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk"
    "+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {
                "type": "string",
                "description": "The city and state, e.g. San Francisco, CA",
            }
        },
        "required": ["location"],
    },
}
SCRIPT = """
turns:
  - when: "exactly 3 words"
    replies: [{text: Hello there friend}]
  - when: Count from
    replies: [{text: "1, 2, 3, 4, 5", chunk: 3}]
  - when: Say hello
    replies: [{text: Ahoy}]
  - when: weather
    replies: [{tool: {name: get_weather, arguments: {location: "San Francisco, CA"}}, chunk: 5}]
  - when: this image
    replies: [{text: A picture of one pixel.}]
  - when: What is my name
    replies: [{text: Your name is Alice.}]
"""


def says(role, content):
    return {"type": "message", "role": role, "content": content}


PIRATE = says("system", "You are a pirate. Always respond in pirate speak.")
LOOK = [
    {"type": "input_text", "text": "What do you see in this image? Answer in one sentence."},
    {"type": "input_image", "image_url": HEART},
]
NAMED = [
    says("user", "My name is Alice."),
    says("assistant", "Hello Alice! Nice to meet you. How can I help you today?"),
    says("user", "What is my name?"),
]
ASKED = "What's the weather like in San Francisco?"
CASES = {
    "basic": {"input": [says("user", "Say hello in exactly 3 words.")]},
    "streaming": {"input": [says("user", "Count from 1 to 5.")], "stream": True},
    "system prompt": {"input": [PIRATE, says("user", "Say hello.")]},
    "tool calling": {"input": [says("user", ASKED)], "tools": [WEATHER]},
    "tool calling, streaming": {
        "input": [says("user", ASKED)],
        "tools": [WEATHER],
        "stream": True,
    },
    "image input": {"input": [says("user", LOOK)]},
    "multi-turn": {"input": NAMED},
}
CALLED = {
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    script = folder / "script.yaml"
    script.write_text(SCRIPT)
    with serving(folder, model=f"scripted:{script}") as url:
        yield OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0)


@pytest.mark.parametrize("name", CASES)
def test_case_of_open_responses(client, name):
    case = CASES[name]
    answer = client.responses.create(model="m", **case)
    events = list(answer) if case.get("stream") else []
    for number, event in enumerate(events):
        TypeAdapter(ResponseStreamEvent).validate_python(event.to_dict(), strict=False)
        assert event.sequence_number == number
    response = events[-1].response if events else answer
    body = response.to_dict()
    assert [key for key in REQUIRED if key not in body] == []
    Response.model_validate(body)
    assert (body["object"], body["status"], body["error"]) == ("response", "completed", None)
    assert body["completed_at"] >= body["created_at"]
    assert [item.type for item in response.output] == [
        "function_call" if "tools" in case else "message"
    ]
    kinds = {event.type for event in events}
    if "tools" in case:
        assert response.output[0].name == "get_weather"
        assert not events or kinds >= CALLED
        given = {"description": None, "strict": True, **WEATHER}
        assert body["tools"] == [given]
    else:
        assert response.output_text
        assert not events or "response.output_text.delta" in kinds
