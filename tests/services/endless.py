"""An instance that never comes to an end, and knows how many of its connections are open."""

import socket
import threading
from contextlib import suppress

OK = b"HTTP/1.1 200 OK\r\n\r\n"
REFUSED = b"HTTP/1.1 500 Internal Server Error\r\n\r\n"
HEALTHY = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
# What it says first, by the end of the path, and what it goes on to say.
ANSWERS = {
    b"/health": (HEALTHY, None), b"/silent": (b"", b""), b"/endless": (OK, b"x" * 65_536),
    b"/endless-refusal": (REFUSED, b"x" * 65_536), b"/silent-refusal": (REFUSED, b""),
}  # fmt: skip


class EndlessInstance:
    """It reads no more of a request than its head."""

    def __init__(self) -> None:
        self.open = 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            first, more = ANSWERS[connection.recv(65_536).split()[1]]
            self._count(1)
            try:
                connection.sendall(first)
                while more:
                    connection.sendall(more)
                while more is not None and connection.recv(65_536):
                    pass
            finally:
                self._count(-1)

    def _count(self, number: int) -> None:
        with self._lock:
            self.open += number
