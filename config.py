"""Settings: read once from the environment and `.env`, validated together, immutable.

`.env.example` explains each variable. `load_settings` reports all mistakes together, one line each, and never prints
a value that could be a secret.
"""

import re
from importlib.util import find_spec
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_DEVELOPMENT_KEY = "development-only-secret-key-not-for-production"
_WEAK_KEY_LENGTH = 32
_TRACING_PACKAGES = ("opentelemetry.instrumentation.flask", "opentelemetry.exporter.otlp.proto.http")


class ConfigurationError(Exception):
    """Invalid settings. `mistakes` has one line for each, which says what to do."""

    def __init__(self, mistakes: list[str]) -> None:
        """Store the lines."""
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _empty_is_unset(value: object) -> object:
    return None if value == "" else value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL like https://<project>.supabase.co")
    return value.rstrip("/")


def _redis_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not re.match(r"(rediss?|unix)://", text):
        raise ValueError("must start with redis://, rediss:// or unix://")
    if re.search(r"[?&]decode_responses=", text):
        raise ValueError("must not contain decode_responses: entries are bytes")
    if text.startswith("unix://"):
        return value
    authority = text.split("://", 1)[1].split("/", 1)[0]
    if authority.count("@") > 1 or "#" in text or "?" in authority:
        raise ValueError("has an unescaped character in its password: write @ as %40, # as %23, / as %2F, ? as %3F")
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid:
        raise ValueError("has no valid port (or an unescaped character in its password: write : as %3A, / as %2F)")
    if not parts.hostname:
        raise ValueError("has no host; the form is redis://[[user]:password@]host[:port][/database]")
    if not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must end in a database number, such as /0 (an unescaped / in the password is %2F)")
    return value


def _addresses(value: str) -> str:
    if not all(re.fullmatch(r"\s*[^\s:,]+:\d{1,5}\s*", address) for address in value.split(",")):
        raise ValueError("must be host:port,host:port,…, for example sentinel-1:26379,sentinel-2:26379")
    return value


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package that contains it is missing
        return False


def _origins(value: str) -> str:
    if not all(re.fullmatch(r"\s*https?://[a-z0-9.\-\[\]:]+\s*", origin) for origin in value.split(",")):
        raise ValueError("must be origins in lower case, without a path, such as https://a.example,https://b.example")
    return value


Unset = BeforeValidator(_empty_is_unset)
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Settings(BaseSettings):
    """All settings of the application. Immutable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=".env", env_file_encoding="utf-8")

    app_env: Literal["development", "production"] = "development"
    secret_key: SecretStr = Field(default=SecretStr(_DEVELOPMENT_KEY), validate_default=True)
    supabase_url: Annotated[str, AfterValidator(_http_url)]
    supabase_key: SecretStr = Field(min_length=1)
    supabase_jwt_secret: Annotated[SecretStr | None, Unset] = None
    supabase_jwt_audience: str = Field(default="authenticated", min_length=1)
    supabase_jwt_issuer: Annotated[str | None, Unset] = None
    supabase_timeout: Seconds = 8.0
    supabase_down_after: Seconds = 2.0
    redis_url: Annotated[Annotated[SecretStr, AfterValidator(_redis_url)] | None, Unset] = None
    redis_cluster: bool = False
    redis_sentinels: Annotated[Annotated[str, AfterValidator(_addresses)] | None, Unset] = None
    redis_sentinel_master: Annotated[str | None, Unset] = Field(default=None, validate_default=True)
    redis_password: Annotated[SecretStr | None, Unset] = None
    redis_max_connections: int = Field(default=10, ge=3, le=1000)
    redis_timeout: Seconds = 2.0
    redis_read_timeout: Seconds = 0.03
    cache_type: Annotated[Literal["LeaseCache", "RedisCache", "SimpleCache", "NullCache"] | None, Unset] = Field(
        default=None, validate_default=True
    )
    cache_ttl: int = Field(default=10, ge=1, le=3600)
    rate_limits: Literal["on", "off"] = "on"
    trusted_proxies: int = Field(default=0, ge=0, le=10)
    cors_origins: Annotated[Annotated[str, AfterValidator(_origins)] | None, Unset] = None
    metrics_token: Annotated[SecretStr | None, Unset] = None
    freshness_sample: float = Field(default=0.0, ge=0, le=1)
    tracing: Literal["on", "off"] = "off"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Annotated[Literal["json", "text"] | None, Unset] = None
    port: int = Field(default=8000, ge=1, le=65535)
    web_concurrency: int = Field(default=2, ge=1, le=64)
    threads: int = Field(default=8, ge=1, le=1000)

    @field_validator("secret_key")
    @classmethod
    def _strong_in_production(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        text = value.get_secret_value()
        if not text:
            raise ValueError("must not be empty")
        weak = text == _DEVELOPMENT_KEY or len(text) < _WEAK_KEY_LENGTH or len(set(text)) < 8
        if weak and info.data.get("app_env") == "production":
            raise ValueError(
                "is too weak for production; make one with: python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        return value

    @field_validator("supabase_jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < 32:
            raise ValueError(
                "is shorter than the 32 bytes that HS256 needs; copy the whole secret from the Supabase dashboard"
            )
        return value

    @field_validator("metrics_token")
    @classmethod
    def _strong_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _WEAK_KEY_LENGTH:
            raise ValueError(
                f"must be at least {_WEAK_KEY_LENGTH} characters; make one with: "
                "python -c 'import secrets; print(secrets.token_hex(32))'"
            )
        return value

    @field_validator("tracing")
    @classmethod
    def _with_packages(cls, value: str) -> str:
        if value == "on" and not all(map(_is_installed, _TRACING_PACKAGES)):
            raise ValueError(
                "is on, but OpenTelemetry is not installed; "
                "run: pip install --require-hashes -r requirements-tracing.txt"
            )
        return value

    @field_validator("redis_sentinel_master")
    @classmethod
    def _with_sentinels(cls, value: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("redis_sentinels") and not value:
            raise ValueError("is not set, but REDIS_SENTINELS is; set it to the name of the master at the sentinels")
        return value

    @field_validator("cache_type")
    @classmethod
    def _fits_redis_settings(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = [name for name in ("redis_url", "redis_sentinels") if info.data.get(name)]
        if value == "LeaseCache" and not given:
            raise ValueError("needs a Redis, but neither REDIS_URL nor REDIS_SENTINELS is set")
        if value == "RedisCache" and (given[:1] != ["redis_url"] or info.data.get("redis_cluster")):
            raise ValueError("needs REDIS_URL only: it does not support REDIS_CLUSTER and REDIS_SENTINELS")
        return value

    @field_validator("threads")
    @classmethod
    def _within_pool(cls, value: int, info: ValidationInfo) -> int:
        connections = info.data.get("redis_max_connections")
        if connections is not None and value > connections - 2:
            raise ValueError(
                f"must not exceed REDIS_MAX_CONNECTIONS - 2 ({connections - 2}), or threads would wait for connections"
            )
        return value

    @property
    def cache_backend(self) -> str:
        """The cache backend: CACHE_TYPE if it is set, else LeaseCache if a Redis is configured, else NullCache."""
        return self.cache_type or ("LeaseCache" if self.redis_url or self.redis_sentinels else "NullCache")

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        """Host and port of each Sentinel."""
        pairs = [address.strip().rsplit(":", 1) for address in (self.redis_sentinels or "").split(",") if address]
        return [(host, int(port)) for host, port in pairs]

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins in CORS_ORIGINS."""
        return frozenset(origin.strip() for origin in (self.cors_origins or "").split(",") if origin)

    @property
    def token_issuer(self) -> str | None:
        """The required issuer of tokens: SUPABASE_JWT_ISSUER, else that of a hosted project. None accepts any."""
        hosted = (urlsplit(self.supabase_url).hostname or "").endswith(".supabase.co")
        return self.supabase_jwt_issuer or (f"{self.supabase_url}/auth/v1" if hosted else None)

    @property
    def in_production(self) -> bool:
        """Whether this is a production deployment."""
        return self.app_env == "production"

    @property
    def logs_json(self) -> bool:
        """Whether log lines are JSON: LOG_FORMAT if it is set, else the default of APP_ENV."""
        return (self.log_format or ("json" if self.in_production else "text")) == "json"

    @classmethod
    def read(cls) -> Self:
        """Read the environment and `.env`. Raises pydantic's ValidationError."""
        return cls()


def load_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigurationError: with all mistakes, not only the first.

    """
    try:
        return Settings.read()
    except ValidationError as error:
        raise ConfigurationError(_lines(error)) from None
    except UnicodeDecodeError:
        raise ConfigurationError([".env: is not UTF-8 text; save it as UTF-8"]) from None


def _lines(error: ValidationError) -> list[str]:
    """Return one line for each mistake, without the invalid value, which may be a secret."""
    lines = []
    for mistake in error.errors(include_url=False, include_input=False):
        name = str(mistake["loc"][0]).upper()
        if mistake["type"] in {"missing", "too_short", "string_too_short"}:
            lines.append(f"{name}: is not set; .env.example explains it")
        else:
            message = mistake["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message[0].lower()}{message[1:]}")
    return lines
