"""The load generator: a process of its own that forks one client per connection, so that it shares nothing with what it measures.

Reads one JSON job from standard input, prints one JSON result. ``http``: each client sends its requests one after another over one
kept-alive connection. ``sql``: each client runs its statements on one connection, each its own transaction.
"""

import base64
import json
import multiprocessing
import socket
import sys
import time
from typing import Any

TIMEOUT_SECONDS = 30


def _answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one HTTP/1.1 answer, with a Content-Length or in chunks."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
    fields = {name: value.strip() for name, _, value in lines}
    if fields.get(b"transfer-encoding") == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += _more(connection)
    else:
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += _more(connection)
    return int(head[9:12]), body


def _more(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError("the server closed the connection")
    return piece


def _http(job: dict[str, Any], requests: list[str]) -> tuple[list[float], list[int], str]:
    connection = socket.create_connection((job["host"], job["port"]), timeout=TIMEOUT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    took, codes, wrong = [], [], ""
    for request in [base64.b64decode(text) for text in requests]:
        began = time.perf_counter()
        connection.sendall(request)
        code, body = _answer(connection)
        took.append(time.perf_counter() - began)
        codes.append(code)
        if code != 200 and not wrong:
            wrong = body.decode(errors="replace")[:500]
    connection.close()
    return took, codes, wrong


def _sql(job: dict[str, Any], parameters: list[list[Any]]) -> tuple[list[float], list[int], str]:
    import psycopg

    took: list[float] = []
    with psycopg.connect(job["url"], autocommit=True) as connection:
        cursor = connection.cursor()
        for values in parameters:
            began = time.perf_counter()
            cursor.execute(job["statement"], values, prepare=True)
            cursor.fetchone()
            took.append(time.perf_counter() - began)
    return took, [200] * len(took), ""


def _client(job: dict[str, Any], work: list[Any], shot: Any, ends: Any) -> None:
    run = _http if job["kind"] == "http" else _sql
    shot.wait()
    began = time.perf_counter()
    try:
        took, codes, wrong = run(job, work)
    except Exception as error:  # the parent must hear of it, or it would wait for an answer that never comes
        took, codes, wrong = [], [0], repr(error)
    ends.put((began, time.perf_counter(), took, codes, wrong))


def main() -> None:
    job = json.load(sys.stdin)
    context = multiprocessing.get_context("fork")
    clients, work = job["clients"], job["work"]
    shot, ends = context.Barrier(clients), context.Queue()
    shares = [work[number::clients] for number in range(clients)]
    processes = [context.Process(target=_client, args=(job, share, shot, ends)) for share in shares]
    for process in processes:
        process.start()
    results = [ends.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    json.dump(
        {
            "seconds": max(result[1] for result in results) - min(result[0] for result in results),
            "took": [one for result in results for one in result[2]],
            "codes": [one for result in results for one in result[3]],
            "wrong": next((result[4] for result in results if result[4]), ""),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
