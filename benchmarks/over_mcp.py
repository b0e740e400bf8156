"""What MCP adds to a cell: ``run_python`` by the package's client, beside the bare session.

Run ``python benchmarks/over_mcp.py [--runs N]``; cells of both sides alternate. Prints the medians
and their difference, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from aoai_magic.sandbox.host.local import LocalSandbox
from aoai_magic.sandbox.protocol import Limits

CODE = "x = 1"


async def bare(session) -> float:
    """Run a cell in a session of this process; return milliseconds."""
    started = time.perf_counter()
    async for _ in session.run(CODE):
        pass
    return (time.perf_counter() - started) * 1000


async def over_mcp(client) -> float:
    """Run the same cell over MCP; return milliseconds."""
    started = time.perf_counter()
    await client.call_tool("run_python", {"code": CODE})
    return (time.perf_counter() - started) * 1000


async def measure(runs: int) -> None:
    """Measure both sides and print."""
    with tempfile.TemporaryDirectory() as home:
        sandbox = LocalSandbox(Path(home) / "sessions", Limits())
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "aoai_magic", "mcp", "--data-dir", home]
        )
        async with Client(stdio_client(server)) as client:
            session = await sandbox.open("bare")
            await bare(session)
            await over_mcp(client)
            pairs = [(await bare(session), await over_mcp(client)) for _ in range(runs)]
        await sandbox.close()
    ours, theirs = map(statistics.median, zip(*pairs, strict=True))
    print(f"bare session  {ours:6.1f} ms")
    print(f"over MCP      {theirs:6.1f} ms")
    print(f"difference    {theirs - ours:6.1f} ms")
    least = [min(side) for side in zip(*pairs, strict=True)]
    print(f"least of each {least[0]:6.1f} ms, {least[1]:.1f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    asyncio.run(measure(parser.parse_args().runs))
