"""Every environment variable that Stoa reads, with its type, default and meaning."""

import ipaddress
import json
import os
import secrets
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class Env(BaseSettings):
    """One field per environment variable. Read once, by `settings.py`."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    gateway_env: Literal["development", "production"] = Field(
        "development", description="`development` makes its own secrets and a demo course; `production` refuses both."
    )
    gateway_role: Literal["all", "data", "control"] = Field(
        "all", description="Which plane this process serves: the student API, the admin, or both."
    )
    gateway_data_dir: Path = Field(
        BASE_DIR / "var", description="Directory for the database, spools, locks and generated secrets."
    )
    bind_address: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the web server listens on.")
    web_concurrency: int = Field(1, ge=1, le=64, description="Number of web processes.")
    database_url: SecretStr = Field(
        SecretStr(""),
        description="PostgreSQL, as `postgresql://user:password@host:port/name`. Unset: SQLite in the data directory.",
    )
    database_pool_max_size: int = Field(
        10, ge=2, le=1000, description="Most pooled connections to PostgreSQL of each process; the ledger has one more."
    )
    database_pool_max_lifetime: float = Field(
        3600.0, gt=0, description="Seconds after which a pooled connection to PostgreSQL is replaced."
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="Redis or Valkey, as `redis://host:port/0`: rate limits that all processes share, cache, sessions.",
    )
    redis_timeout: float = Field(
        0.025, gt=0, description="Seconds that a request waits for Redis; then its process counts by itself."
    )
    sqlite_synchronous: Literal["NORMAL", "FULL"] = Field(
        "NORMAL", description="`FULL` also survives a power cut, at a tenth of the speed."
    )
    celery_broker_url: str = Field(
        "memory://", description="Celery broker. In memory, `manage.py run` starts one worker with its own beat."
    )

    django_secret_key: SecretStr = Field(SecretStr(""), description="Signs sessions and CSRF tokens.")
    gateway_key_pepper: SecretStr = Field(SecretStr(""), description="Keys the digest under which API keys are stored.")
    gateway_secret_keys: SecretStr = Field(
        SecretStr(""), description="Keys that encrypt provider credentials, comma separated, newest first."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token that opens `/metrics`. Unset: `/metrics` answers 404."
    )

    allowed_hosts: CommaList = Field(
        ["127.0.0.1", "localhost", "[::1]"], description="Host names that the server answers to, comma separated."
    )
    trusted_proxies: CommaList = Field(
        [],
        description="Addresses or networks of reverse proxies whose `X-Forwarded-*` headers count, comma separated.",
    )
    cors_allowed_origins: CommaList = Field(
        [],
        description="Origins whose web pages may call the student API, such as `https://app.example.edu`.",
    )
    max_client_connections: int = Field(
        10_000, gt=0, description="Most open connections from clients to each web process; beyond it they are refused."
    )
    client_keepalive: float = Field(
        65.0, gt=0, description="Seconds that an idle client connection is kept; a proxy in front should keep it less."
    )
    max_request_size: int = Field(
        10 * 2**20, gt=0, description="Largest request body in bytes, decompressed and without images, sound and files."
    )
    max_media_request_size: int = Field(
        28 * 2**20,
        gt=0,
        description="Largest body of a chat request in bytes, with them: enough for an image of 20 MB.",
    )
    receipt_timeout: float = Field(
        10.0, gt=0, description="Seconds for a request's headers; after that its body must keep coming, 1 kB a second."
    )
    connect_timeout: float = Field(3.0, gt=0, description="Seconds to connect to a provider.")
    first_byte_timeout: float = Field(
        60.0, gt=0, description="Seconds until the first byte of a stream, where the provider sets none."
    )
    stall_timeout: float = Field(
        300.0,
        gt=0,
        description="Seconds between two pieces of an answer, where the provider sets none. Models that think "
        "are silent for minutes.",
    )
    client_stall_timeout: float = Field(
        30.0, gt=0, description="Seconds in which a client must take some of the answer that is sent to it."
    )
    client_left_grace: float = Field(
        2.0,
        gt=0,
        description="Seconds that a provider may go on after the client left: for its usage, and for who asks again.",
    )
    request_timeout: float = Field(
        600.0,
        gt=0,
        description="Seconds for one call as a whole, where the provider sets none. A plain answer may take as long.",
    )
    pool_timeout: float = Field(5.0, gt=0, description="Seconds to wait for a free connection to a provider.")
    max_connections: int = Field(2000, gt=0, description="Most connections to providers at once.")
    keepalive_expiry: float = Field(30.0, gt=0, description="Seconds that an idle provider connection is kept.")
    shutdown_timeout_seconds: float = Field(30.0, ge=0, description="Seconds that live streams get to end on SIGTERM.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = Field(
        None, description="Default: INFO in development, WARNING in production."
    )

    @field_validator("gateway_data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and urlsplit(value.get_secret_value()).scheme not in ("postgresql", "postgres"):
            raise ValueError("must begin with postgresql://; leave it unset for SQLite in the data directory.")
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and urlsplit(value.get_secret_value()).scheme not in ("redis", "rediss", "unix"):
            raise ValueError("must begin with redis://, rediss:// or unix://.")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("cors_allowed_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{origin!r} is no origin: write scheme and host only, like https://app.example.edu")
            if "*" in origin:
                raise ValueError("origins are listed one by one; wildcards are refused.")
        return value

    @model_validator(mode="after")
    def _production_is_strict(self) -> "Env":
        if self.gateway_env == "production":
            for name in ("django_secret_key", "gateway_key_pepper", "gateway_secret_keys"):
                if len(getattr(self, name).get_secret_value()) < 32:
                    raise ValueError(f"{name.upper()} must be set to at least 32 characters in production.")
            if "*" in self.allowed_hosts:
                raise ValueError("ALLOWED_HOSTS must name the hosts in production; a wildcard is refused.")
        return self

    @property
    def is_production(self) -> bool:
        return self.gateway_env == "production"


def make_data_dir(path: Path) -> Path:
    """Create the data directory, readable by its owner only."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write_private(path: Path, text: str) -> None:
    """Atomically write a file that only its owner can read."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _own_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets that a first run in development generated, generated now if there are none."""
    path = make_data_dir(data_dir) / "secrets.json"
    if not path.exists():
        names = ("DJANGO_SECRET_KEY", "GATEWAY_KEY_PEPPER", "GATEWAY_SECRET_KEYS")
        write_private(path, json.dumps({name: secrets.token_urlsafe(48) for name in names}, indent=2) + "\n")
    loaded: dict[str, str] = json.loads(path.read_text())
    return loaded


def _mistakes(error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [": ".join((*(str(step).upper() for step in one["loc"][:1]), one["msg"])) for one in found]


@cache
def load_env() -> Env:
    """The settings of this process. In development, missing secrets come from the data directory.

    Invalid values end the process with a line for each, which names the variable but never its value.
    """
    try:
        env = Env()  # type: ignore[call-arg]
    except ValidationError as error:
        raise SystemExit("\n".join(_mistakes(error))) from None
    if env.is_production:
        return env
    own = {name.lower(): SecretStr(value) for name, value in _own_secrets(env.gateway_data_dir).items()}
    return env.model_copy(update={name: value for name, value in own.items() if name not in env.model_fields_set})
