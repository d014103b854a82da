"""Heads and bodies of responses in one system call."""

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class InOnePiece:
    """A transport that sends the head and the body of a response of known length in one system call.

    The head waits for the body. The head of a stream goes out at once.
    """

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle, self._transport = cycle, cycle.transport
        self._head = b""

    def write(self, data: bytes) -> None:
        cycle = self._cycle
        if self._head:
            self._transport.writelines((self._head, data))
            cycle.transport = self._transport
        elif cycle.response_started and cycle.expected_content_length and cycle.scope["method"] != "HEAD":
            self._head = data
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Drop a head whose body never came: the client could not tell it from a whole response."""
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
