"""The mail server that a setting names."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Without a host, there is none."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = field(default="", repr=False)
    uses_tls: bool = False
    starts_tls: bool = False

    @classmethod
    def parse(cls, url: str) -> "MailServer":
        """Raises ValueError with a sentence that does not repeat the URL."""
        if not url:
            return cls()
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(
                "must be smtp://, smtps:// or smtp+plain:// with a host, such as smtp://mail.example.edu:587."
            )
        return cls(
            host=parts.hostname,
            port=parts.port or _PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            uses_tls=parts.scheme == "smtps",
            starts_tls=parts.scheme == "smtp",
        )
