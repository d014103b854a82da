"""Why no connection to a provider or a service came about, in a sentence for operators. Pure."""

import errno
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from apps.common.addresses import ForbiddenAddress

_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, (62, 64)
_UNKNOWN_ISSUER = (18, 19, 20, 21)


def why(error: BaseException, *, url: str) -> str:
    """The sentence for the first known cause of the error; empty if there is none."""
    host = urlsplit(url).hostname or ""
    return next(filter(None, (_of_cause(cause, host, url) for cause in _causes(error))), "")


def port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, the outermost first."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _of_cause(error: BaseException, host: str, url: str) -> str:
    if isinstance(error, ForbiddenAddress):
        return f"{host} is an address inside a private network. If that is meant, turn on “Allow private network”."
    if isinstance(error, socket.gaierror):
        if error.errno == socket.EAI_AGAIN:
            return f"The name server does not answer for {host}. Try again, or check this machine's DNS."
        return f"There is no server named {host}. Check the address for a typing error."
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error, host)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
        return f"{host} does not speak TLS on this port. Should the address begin with http://, or name another port?"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses connections on port {port_of(url)}. Is the server running, and is the port right?"
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"There is no route to {host}. Check the address, and this machine's network."
    if isinstance(error, UnicodeError):
        return f"{host[:60]} is not a valid host name."
    return ""


def _of_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code == _EXPIRED:
        return f"The TLS certificate of {host} has expired. The server's operator has to renew it."
    if error.verify_code == _NOT_YET:
        return f"The TLS certificate of {host} is not valid yet. Check the clocks of both machines."
    if error.verify_code in _WRONG_NAMES:
        return f"The TLS certificate is for another name than {host}. Use the name that the certificate has."
    if error.verify_code in _UNKNOWN_ISSUER:
        return (
            f"The TLS certificate of {host} is from an authority that this machine does not trust. "
            "Install its root certificate, or name it in SSL_CERT_FILE."
        )
    return f"The TLS certificate of {host} is not valid (OpenSSL code {error.verify_code})."
