"""What the engine costs beside the model: requests, many runs at once, long lists.

* thread, message, run and its stream to the end, with a model that answers at once and
  runs no code; beside it, what the same four exchanges cost with a server that does
  nothing (the floor that HTTP and the SDK set);
* 100 runs at once on 100 threads, and whether any of them failed;
* the newest page of a thread of 100,000 messages.

File search is in `search.py`.

Usage: python benchmarks/engine.py [RUNS]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
from openai import OpenAI
from sqlalchemy import insert

from aoai_magic.engine.storage import objects
from aoai_magic.engine.storage.ids import now_ns
from aoai_magic.engine.storage.schema import MESSAGES
from aoai_magic.engine.storage.store import Store

SCRIPT = """
turns:
  - when: ""
    replies:
      - text: The answer is 42.
"""
SERVE = """
import sys
from pathlib import Path
from aoai_magic.engine.config import EngineConfig
from aoai_magic.engine.server.process import serve
serve(EngineConfig(data_dir=Path(sys.argv[1]), port=0, model=sys.argv[2]))
"""
NOTHING = """
import asyncio, json, sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        head = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"{}"})

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)

Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off")).run()
"""
MESSAGES_IN_A_LONG_THREAD = 100_000


class Process:
    """A server in a process of its own, and a client of it."""

    def __init__(self, code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sys.stderr)
        self.url = json.loads(self._process.stdout.readline())["url"]

    def client(self, token="none"):
        return OpenAI(base_url=f"{self.url}/v1", api_key=token, max_retries=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)


def exchange(client, assistant_id):
    """Create thread, message and run, and follow the run to its end; gives the seconds."""
    began = time.perf_counter()
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="Six times seven?")
    stream = client.beta.threads.runs.create(
        thread_id=thread.id, assistant_id=assistant_id, stream=True
    )
    last = [event.event for event in stream][-1]
    assert last == "thread.run.completed", last
    return time.perf_counter() - began


def floor(client):
    """Send as many requests to a server that does nothing; gives the seconds."""
    began = time.perf_counter()
    for _ in range(3):
        client.post("/threads", body={"content": "Six times seven?"}, cast_to=object)
    return time.perf_counter() - began


def milliseconds(times):
    ordered = sorted(times)
    p95 = ordered[int(len(ordered) * 0.95)]
    return f"median {statistics.median(ordered) * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms"


def fill(data_dir, thread_id):
    """Write a long thread straight into the database."""
    rows = []
    for number in range(MESSAGES_IN_A_LONG_THREAD):
        body = objects.message(thread_id, "user", [objects.text(f"Message {number}.")])
        rows.append({"id": body["id"], "at": now_ns(), "body": body, "thread_id": thread_id})

    def write(connection):
        for start in range(0, len(rows), 1000):
            connection.execute(insert(MESSAGES), rows[start : start + 1000])

    async def fill():
        await Store(f"sqlite:///{data_dir / 'engine.sqlite'}").write(write)

    anyio.run(fill)


def main(runs):
    warnings.simplefilter("ignore", DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        script, data_dir = Path(folder, "script.yaml"), Path(folder, "data")
        script.write_text(SCRIPT)
        with Process(SERVE, data_dir, f"scripted:{script}") as engine, Process(NOTHING) as nothing:
            client = engine.client((data_dir / "token").read_text())
            assistant = client.beta.assistants.create(model="m")
            bare = nothing.client()
            for _ in range(5):
                exchange(client, assistant.id), floor(bare)
            pairs = [(exchange(client, assistant.id), floor(bare)) for _ in range(runs)]
            print("exchange:", milliseconds([pair[0] for pair in pairs]))
            print("  floor: ", milliseconds([pair[1] for pair in pairs]))
            print("  engine:", milliseconds([one - other for one, other in pairs]))
            with ThreadPoolExecutor(100) as pool:
                began = time.perf_counter()
                times = list(pool.map(lambda _: exchange(client, assistant.id), range(100)))
                took = time.perf_counter() - began
            print(f"100 at once: {milliseconds(times)}, all in {took:.2f} s")
            thread = client.beta.threads.create()
            fill(data_dir, thread.id)
            pages = []
            for _ in range(runs):
                began = time.perf_counter()
                assert len(client.beta.threads.messages.list(thread.id).data) == 20
                pages.append(time.perf_counter() - began)
            print("page of 100,000 messages:", milliseconds(pages))


if __name__ == "__main__":
    os.environ.pop("AOAI_MAGIC_LIFELINE", None)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
