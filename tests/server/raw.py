"""Asking a server byte by byte."""

import socket
import time

from tests.live import Gateway

PATIENCE = 30.0


def answer(gateway: Gateway, *pieces: bytes, pause: float = 0.0, timeout: float = PATIENCE) -> bytes:
    """What comes back until the server closes the connection; nothing if it closes it without a word."""
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=timeout) as client:
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
            while part := client.recv(65536):
                received += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    return received


def status(received: bytes) -> int:
    return int(received.split(b" ", 2)[1]) if received else 0
