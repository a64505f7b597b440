"""Raw connections: heads in pieces, pipelining, refused bodies."""

import socket
import time
from collections.abc import Callable

from tests.e2e.server import Server


def exchange(server: Server, *pieces: bytes) -> bytes:
    """Send pieces on one connection; everything that comes back until it is quiet or closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01)
            connection.settimeout(0.5)
            while data := connection.recv(65536):
                received += data
        except (TimeoutError, ConnectionError):
            pass
        return received


def test_a_connection_is_held_to_its_limits(fleet_server: Server) -> None:
    endless = [b"GET /x HTTP/1.1\r\nHost: localhost\r\n", *[b"X-Pad: " + b"x" * 30_000 + b"\r\n"] * 4]
    assert exchange(fleet_server, *endless).startswith(b"HTTP/1.1 431 ")

    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    in_pieces = [ask[:10], ask[10:30], ask[30:]]
    assert exchange(fleet_server, *in_pieces, *in_pieces).count(b"HTTP/1.1 200 OK") == 2
    assert exchange(fleet_server, ask + ask + ask).count(b'{"status":"ok"') == 3  # pipelined

    refused = b"POST /sip HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n"
    answers = exchange(fleet_server, refused, *[b"x" * 100_000] * 3, ask)
    assert answers.startswith(b"HTTP/1.1 401 ")
    assert b'{"status":"ok"' in answers  # the connection is still good

    patient = b"POST /sip HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic dTpw\r\nExpect: 100-continue\r\n"
    answers = exchange(fleet_server, patient + b"Content-Length: 2\r\n\r\n", b"{}")
    assert answers.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 ")


def test_the_head_of_a_later_request_has_the_same_limit(fleet_server: Server) -> None:
    ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    endless = [b"GET /x HTTP/1.1\r\nHost: localhost\r\n", *[b"X-Pad: " + b"x" * 30_000 + b"\r\n"] * 3]
    answers = exchange(fleet_server, ask, *endless)
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 431 " in answers


def test_a_connection_that_asks_nothing_is_closed(make_server: Callable[..., Server]) -> None:
    server = make_server(workers=1, HEAD_SECONDS="1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        assert silent.recv(1) == b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as kept:
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)
        kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
        assert kept.recv(65536).count(b"HTTP/1.1 200 OK") == 2, "one that has asked is kept"
