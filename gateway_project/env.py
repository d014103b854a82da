"""Every environment variable that Stoa reads, with its type, default and meaning."""

import ipaddress
import json
import secrets
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from django.conf.locale import LANG_INFO
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway_project import weak_secrets
from gateway_project.data_dir import make_data_dir, write_private
from gateway_project.mail_server import MailServer

BASE_DIR = Path(__file__).resolve().parent.parent


def listed(text: str) -> list[str]:
    """What a comma separated value lists."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _split(value: object) -> object:
    return listed(value) if isinstance(value, str) else value


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

    public_url: str = Field(
        "",
        description="Where people and programs reach Stoa, such as `https://stoa.example.edu`: for links, and as the "
        "issuer of tokens; never taken from a request. Unset: this machine and `PORT`.",
    )
    languages: CommaList = Field(
        [],
        description="Languages of the admin beside English, such as `fi,sv`, each with a catalogue in `locale/`. The "
        "browser says which a reader prefers; the APIs speak English.",
    )
    email_url: SecretStr = Field(
        SecretStr(""),
        description="Mail server for notifications: `smtp://user:password@host:587` (STARTTLS), `smtps://…:465` (TLS), "
        "or `smtp+plain://host:25` (neither, for a relay on this machine). Unset: no e-mail is sent.",
    )
    email_from: str = Field("stoa@localhost", description="Sender of e-mails, such as `Stoa <stoa@example.edu>`.")
    second_factor: Literal["off", "operators", "staff"] | None = Field(
        None,
        description="Who needs a second factor to sign in: nobody (`off`), `operators`, or all `staff`. Unset: `staff` "
        "in production, `off` in development.",
    )
    session_hours: float = Field(12.0, gt=0, le=24 * 14, description="Hours after which staff must sign in again.")
    session_idle_minutes: float = Field(
        60.0, gt=0, le=60 * 24, description="Minutes without a page after which a session ends."
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
        2**20, gt=0, description="Largest request body in bytes, decompressed and without images, sound and files."
    )
    max_media_request_size: int = Field(
        28 * 2**20,
        gt=0,
        description="Largest body of a chat request in bytes, with them: enough for an image of 20 MB.",
    )
    max_upload_size: int = Field(
        10 * 2**20, gt=0, description="Largest form in bytes that staff may send to the admin, with the files in it."
    )
    student_requests_per_minute: int = Field(
        300,
        ge=0,
        description="Requests a minute of each student whose course limits neither students nor keys; 0: no limit.",
    )
    unknown_requests_per_minute: int = Field(
        60,
        gt=0,
        description="Wrong keys, and likewise failed sign-ins, a minute from one address; those beyond get 429.",
    )
    receipt_timeout: float = Field(
        10.0, gt=0, description="Seconds for a request's headers; after that its body must keep coming, 1 kB a second."
    )
    connect_timeout: float = Field(
        3.0, gt=0, description="Seconds to connect to a provider, or to a service that sets none."
    )
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
    pool_timeout: float = Field(
        5.0, gt=0, description="Seconds to wait for a free connection to a provider or a service."
    )
    max_connections: int = Field(
        2000, gt=0, description="Most connections at once to all providers, and to each service that sets no number."
    )
    keepalive_expiry: float = Field(
        30.0, gt=0, description="Seconds that an idle connection to a provider or a service is kept."
    )
    max_keepalive_connections: int = Field(
        100, gt=0, description="Most idle connections to a service that each web process keeps, where it sets none."
    )
    stream_threshold: int = Field(
        2**16,
        ge=0,
        le=2**20,
        description="Largest body of a request to a service that is kept so that it can be sent again; a longer one "
        "is only passed on.",
    )
    shutdown_timeout_seconds: float = Field(30.0, ge=0, description="Seconds that live streams get to end on SIGTERM.")
    audit_log: bool = Field(
        False, description="Write each entry of the audit log to standard error too, as a line of JSON."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines of the log: `text` for people, or a JSON object each for programs."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = Field(
        None, description="Unset: INFO in development, WARNING in production. *Live settings* may change it meanwhile."
    )

    otel_exporter_otlp_endpoint: str = Field(
        "",
        description="Collector of traces (OTLP over HTTP), such as `http://127.0.0.1:4318`. Unset: nothing is traced.",
    )
    otel_exporter_otlp_headers: SecretStr = Field(
        SecretStr(""), description="Headers for the collector, as `name=value`, comma separated."
    )
    trace_share: float = Field(
        0.1, gt=0, le=0.1, description="The share of all requests that is traced: at most 0.1, a tenth."
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

    @field_validator("otel_exporter_otlp_endpoint")
    @classmethod
    def _is_a_collector(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
            raise ValueError("must begin with http:// or https://, and have neither user name nor password.")
        return value

    @field_validator("email_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr) -> SecretStr:
        MailServer.parse(value.get_secret_value())
        return value

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("must begin with https:// or http://, and have neither query nor fragment.")
        return value.rstrip("/")

    @field_validator("languages")
    @classmethod
    def _are_languages(cls, value: list[str]) -> list[str]:
        for code in value:
            if "name_local" not in LANG_INFO.get(code, {}):
                raise ValueError(f"{code} is no code of a language that Django knows, such as fi or pt-br.")
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
            token = ("METRICS_TOKEN", self.metrics_token.get_secret_value())
            if wrong := list(weak_secrets.mistakes(self._secrets, token=token)):
                raise ValueError("\n".join(wrong))
            if "*" in self.allowed_hosts:
                raise ValueError("ALLOWED_HOSTS must name the hosts in production; a wildcard is refused.")
        return self

    @property
    def _secrets(self) -> dict[str, list[str]]:
        return {
            "DJANGO_SECRET_KEY": [self.django_secret_key.get_secret_value()],
            "GATEWAY_KEY_PEPPER": [self.gateway_key_pepper.get_secret_value()],
            "GATEWAY_SECRET_KEYS": listed(self.gateway_secret_keys.get_secret_value()),
        }

    @property
    def is_production(self) -> bool:
        return self.gateway_env == "production"


def _own_secrets(data_dir: Path) -> dict[str, str]:
    """The secrets that a first run in development generated, generated now if there are none."""
    path = make_data_dir(data_dir, is_production=False) / "secrets.json"
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
