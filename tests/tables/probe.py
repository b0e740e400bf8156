"""What code that took over the reader of a file can reach; run behind its walls."""

import json
import os
import socket
import sys
from pathlib import Path


def attempt(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"


def main():
    secret, parent = sys.argv[1:]
    found = {
        "environment": sorted(os.environ),
        "folder": str(Path.cwd()),
        "isolated": sys.flags.isolated,
        "read": attempt(Path(secret).read_bytes),
        "passwd": attempt(Path("/etc/passwd").read_bytes),
        "write": attempt(lambda: Path(secret + "-2").write_bytes(b"x")),
        "memory": attempt(lambda: Path(f"/proc/{parent}/mem").read_bytes()),
        "internet": attempt(lambda: socket.socket(socket.AF_INET)),
        "unix": attempt(lambda: socket.socket(socket.AF_UNIX)),
        "signal": attempt(lambda: os.kill(int(parent), 0)),
    }
    sys.stdout.write(json.dumps(found))
