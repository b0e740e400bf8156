"""Runs through the SDK: the polling helper, the streaming helper, functions, bounds."""

from __future__ import annotations

import json

import pytest
from openai import BadRequestError
from openai.lib.streaming import AssistantEventHandler

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def texts(client, thread_id):
    messages = client.beta.threads.messages.list(thread_id, order="asc").data
    return [
        part.text.value
        for message in messages
        if message.role == "assistant"
        for part in message.content
        if part.type == "text"
    ]


def steps(client, run):
    return client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id, order="asc").data


def test_polled_run_completes_with_all_that_clients_read(client, ask):
    run = ask({"text": "Hello.", "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    assert run.status == "completed"
    assert run.completed_at is not None
    assert run.to_dict()["expires_at"] is None
    assert (run.usage.prompt_tokens, run.usage.total_tokens) == (7, 10)
    assert texts(client, run.thread_id) == ["Hello."]
    (step,) = steps(client, run)
    assert step.status == "completed"
    assert step.completed_at is not None
    assert step.usage.total_tokens == 10
    assert {"expires_at", "expired_at"} <= step.to_dict().keys()


def test_created_run_is_queued_and_echoes_its_model(client, engine):
    assistant = client.beta.assistants.create(model="gpt-4-1106-preview")
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Hi."}])
    run = client.beta.threads.runs.create(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "queued"
    assert run.model == "gpt-4-1106-preview"
    assert run.expires_at == run.created_at + 600


def test_stream_has_the_recorded_order(client, script):
    model = script([{"text": "Let me see.", "code": "print(6 * 7)"}, {"text": "It is 42."}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    events = client.beta.threads.create_and_run(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "Six times seven?"}]},
        stream=True,
    )
    message = ["run.step.created", "run.step.in_progress", "message.created", "message.in_progress"]
    said = ["message.delta", "message.completed", "run.step.completed"]
    code = ["run.step.created", "run.step.in_progress"] + 3 * ["run.step.delta"]
    expected = ["created", "run.created", "run.queued", "run.in_progress"]
    expected += message + said + code + ["run.step.completed"] + message + said + ["run.completed"]
    assert [event.event for event in events] == [f"thread.{name}" for name in expected]


def test_accumulated_stream_equals_what_is_stored(client, script):
    code = "for i in range(3):\n    print('日本', i)\nlen('été')"
    model = script([{"code": code, "chunk": 2}, {"text": "Done: 日本.", "chunk": 1}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Count."}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
        stream.until_done()
    run = stream.get_final_run()
    assert run.status == "completed"
    (call,) = stream.get_final_run_steps()[0].step_details.tool_calls
    (kept,) = steps(client, run)[0].step_details.tool_calls
    assert call.id == kept.id
    assert call.code_interpreter.input == kept.code_interpreter.input == code
    logs = [output.logs for output in call.code_interpreter.outputs]
    assert logs == [output.logs for output in kept.code_interpreter.outputs]
    assert logs == ["日本 0\n日本 1\n日本 2\n3\n"]
    stored = client.beta.threads.messages.list(thread.id).data[0]
    assert stream.get_final_messages()[-1].to_dict() == stored.to_dict()


def test_event_handler_sees_code_and_its_output_grow(client, script):
    class Handler(AssistantEventHandler):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_tool_call_delta(self, delta, snapshot):
            part = delta.code_interpreter
            self.seen += [part.input] if part.input else []
            self.seen += [output.logs for output in part.outputs or []]

    model = script([{"code": "print('a')", "chunk": 4}, {"text": "Done."}])
    assistant = client.beta.assistants.create(model=model, tools=[{"type": "code_interpreter"}])
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Print."}])
    with client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=(handler := Handler())
    ) as stream:
        stream.until_done()
    assert len(handler.seen) > 2
    assert "".join(handler.seen) == "print('a')a\n"


async def test_asynchronous_client(engine, script):
    async with engine.asynchronous() as client:
        assistant = await client.beta.assistants.create(model=script([{"text": "Hello."}]))
        thread = await client.beta.threads.create(messages=[{"role": "user", "content": "Hi."}])
        async with client.beta.threads.runs.stream(
            thread_id=thread.id, assistant_id=assistant.id
        ) as stream:
            pieces = [piece async for piece in stream.text_deltas]
    assert pieces == ["Hello."]


def test_functions_are_asked_for_and_answered_together(client, ask):
    calls = [{"tool": {"name": "weather", "arguments": {"city": c}}} for c in ("Paris", "Rome")]
    run = ask({"calls": calls}, {"text": "Sunny in both."}, tools=[WEATHER])
    assert run.status == "requires_action"
    asked = run.required_action.submit_tool_outputs.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in asked] == ["Paris", "Rome"]
    with pytest.raises(BadRequestError, match="call_ids"):
        client.beta.threads.runs.submit_tool_outputs(
            run.id,
            thread_id=run.thread_id,
            tool_outputs=[{"tool_call_id": asked[0].id, "output": "sun"}],
        )
    outputs = [{"tool_call_id": call.id, "output": "sun"} for call in asked]
    with client.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=run.thread_id, tool_outputs=outputs
    ) as stream:
        events = [event.event for event in stream]
    assert events[:3] == [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
    ]
    assert events[-1] == "thread.run.completed"
    assert texts(client, run.thread_id) == ["Sunny in both."]
    first = steps(client, run)[0]
    assert [call.function.output for call in first.step_details.tool_calls] == ["sun", "sun"]


def test_failing_model_fails_the_run_and_keeps_what_it_said(client, ask):
    run = ask(
        {"text": "I was about", "error": {"message": "Too busy.", "code": "rate_limit_exceeded"}}
    )
    assert run.status == "failed"
    assert (run.last_error.code, run.last_error.message) == ("rate_limit_exceeded", "Too busy.")
    (step,) = steps(client, run)
    assert step.status == "failed"
    message = client.beta.threads.messages.list(run.thread_id).data[0]
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "run_failed")
    assert message.content[0].text.value == "I was about"


def test_length_makes_the_run_incomplete(client, ask):
    run = ask({"text": "Once upon a", "finish": "length"}, max_completion_tokens=256)
    assert run.status == "incomplete"
    assert run.incomplete_details.reason == "max_completion_tokens"
    message = client.beta.threads.messages.list(run.thread_id).data[0]
    assert message.incomplete_details.reason == "max_tokens"


def test_long_thread_does_not_fit_the_prompt(client, script):
    assistant = client.beta.assistants.create(model=script([{"text": "Yes."}]))
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "word " * 2000}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, max_prompt_tokens=256, poll_interval_ms=20
    )
    assert run.status == "incomplete"
    assert run.incomplete_details.reason == "max_prompt_tokens"


def test_self_repair_has_a_bound_and_every_attempt_is_a_step(client, ask):
    run = ask(*[{"code": f"1 / 0  # {n}"} for n in range(8)])
    assert run.status == "failed"
    assert "8 times in a row" in run.last_error.message
    attempts = steps(client, run)
    assert len(attempts) == 8
    for step in attempts:
        assert step.to_dict()["metadata"]["outcome"] == "error"
        assert step.to_dict()["metadata"]["error"] == "ZeroDivisionError: division by zero"


def test_repaired_code(client, ask):
    run = ask({"code": "print(nope)"}, {"code": "print('yes')"}, {"text": "Fixed."})
    assert run.status == "completed"
    failed, fixed, _ = steps(client, run)
    assert "NameError" in failed.step_details.tool_calls[0].code_interpreter.outputs[0].logs
    assert fixed.to_dict()["metadata"]["outcome"] == "ok"


def test_malformed_arguments_are_told_to_the_model(client, ask):
    run = ask({"tool": {"name": "python", "arguments": '{"code": 3}'}}, {"text": "Oh."})
    assert run.status == "completed"
    assert steps(client, run)[0].to_dict()["metadata"]["outcome"] == "error"


def test_bare_code_as_arguments_is_run(client, ask):
    run = ask({"tool": {"name": "python", "arguments": "print(5)"}}, {"text": "Five."})
    call = steps(client, run)[0].step_details.tool_calls[0]
    assert call.code_interpreter.outputs[0].logs == "5\n"
    assert run.status == "completed"
