"""Starting the servers that are measured: granian with the settings that ``doorstep serve`` uses."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

HOST = "127.0.0.1"
_RUN = """
import sys
from doorstep.project.serving import web_server
web_server(sys.argv[1], "127.0.0.1", int(sys.argv[2]), int(sys.argv[3]), factory=sys.argv[4] == "factory").serve()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Web:
    """A running server."""

    port: int
    process: psutil.Popen

    def cpu_seconds(self) -> float:
        """User and system time spent so far by the web processes."""
        total = 0.0
        for one in [self.process, *self.process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
        return total


@contextmanager
def serving(target: str, workers: int, *, factory: bool = False, ready: str = "/") -> Iterator[Web]:
    """Serve ``target`` on a free port inside the block."""
    port = free_port()
    arguments = [sys.executable, "-c", _RUN, target, str(port), str(workers), "factory" if factory else "target"]
    process = psutil.Popen(arguments)
    try:
        _wait_for(port, ready)
        yield Web(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, path: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((HOST, port), timeout=5) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                if connection.recv(12):
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    """One request as it goes over the wire."""
    payload = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(payload)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + payload


@dataclass(frozen=True, slots=True)
class Load:
    """What the clients saw."""

    seconds: float
    took: list[float]

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds


def fire(job: dict[str, Any], work: Sequence[Any], clients: int) -> Load:
    """Run the load generator. Raises: RuntimeError when one answer was not 200."""
    sent = json.dumps({**job, "clients": clients, "work": list(work)})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], check=False, input=sent, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    result = json.loads(done.stdout)
    if set(result["codes"]) != {200}:
        raise RuntimeError(f"answers other than 200: {result['wrong']}")
    return Load(result["seconds"], result["took"])
