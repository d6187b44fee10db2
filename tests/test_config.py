"""The settings: all mistakes are reported together, one line each, without values or a traceback; and the defaults."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.caching.codec import JsonCodec
from app.caching.policy import Policy
from app.extensions import cache
from config import ConfigurationError, Settings, load_settings
from local import ROOT
from local.stack import Stack
from tests.caching.deployments import unresponsive_port
from tests.sellers import app_environment, running_app

_GOOD = {"SUPABASE_URL": "https://project.supabase.co", "SUPABASE_KEY": "sb_publishable_x"}
_STRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Change to an empty folder and remove our variables from the environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def _set(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def _mistakes(monkeypatch: pytest.MonkeyPatch, **values: str) -> list[str]:
    _set(monkeypatch, **{**_GOOD, **values})
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "\n".join(caught.value.mistakes) == str(caught.value)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        *(("SUPABASE_URL", value, "must be a URL like https://")
          for value in ("", "project.supabase.co", "ftp://host", "https://")),
        ("SUPABASE_KEY", "", "is not set; .env.example explains it"),
        ("SUPABASE_JWT_SECRET", "too-short-to-be-it", "32 bytes"),
        ("SUPABASE_JWT_AUDIENCE", "", "is not set; .env.example explains it"),
        *(("CORS_ORIGINS", value, "must be origins in lower case, without a path")
          for value in ("*", "shop.example", "https://shop.example/", "HTTPS://SHOP.EXAMPLE", "https://last.example,")),
        ("METRICS_TOKEN", "guessable", "must be at least 32 characters; make one with"),
        *(("SUPABASE_DOWN_AFTER", value, "") for value in ("0", "-1", "nan", "")),
        *(("SUPABASE_TIMEOUT", value, "") for value in ("0", "-1", "nan", "inf", "soon", "")),
        *(("REDIS_URL", value, "must start with redis://") for value in ("localhost:6379", "http://localhost", "x")),
        ("REDIS_URL", "redis://", "has no host"),
        ("REDIS_URL", "redis://:pass@word@host:6379/0", "@ as %40"),
        ("REDIS_URL", "redis://:pass#word@host:6379/0", "# as %23"),
        ("REDIS_URL", "redis://:pass?word@host:6379/0", "? as %3F"),
        ("REDIS_URL", "redis://:pass/word@host:6379/0", "/ as %2F"),
        ("REDIS_URL", "redis://host:port/0", "no valid port"),
        ("REDIS_URL", "redis://host:70000/0", "no valid port"),
        ("REDIS_URL", "redis://host:6379/cache", "database number"),
        ("REDIS_URL", "redis://host:6379/0?decode_responses=true", "must not contain decode_responses"),
        ("CACHE_TYPE", "FileSystemCache", "'RedisCache'"),
        ("CACHE_TYPE", "LeaseCache", "neither REDIS_URL nor REDIS_SENTINELS is set"),
        ("CACHE_TYPE", "RedisCache", "needs REDIS_URL only"),
        *(("REDIS_TIMEOUT", value, "") for value in ("0", "-2", "nan", "two")),
        *(("REDIS_READ_TIMEOUT", value, "") for value in ("0", "-2", "nan", "two")),
        *(("CACHE_TTL", value, "") for value in ("ten", "0", "-10", "1.5", "3601", "")),
        *(("REDIS_MAX_CONNECTIONS", value, "") for value in ("0", "2", "many")),
        ("THREADS", "9", "must not exceed REDIS_MAX_CONNECTIONS - 2 (8)"),
        *(("FRESHNESS_SAMPLE", value, "") for value in ("-0.1", "1.1", "nan", "all", "")),
        ("TRACING", "yes", "'on' or 'off'"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("LOG_FORMAT", "xml", "'json' or 'text'"),
        ("APP_ENV", "prod", "'development' or 'production'"),
        ("PORT", "70000", "65535"),
        ("WEB_CONCURRENCY", "0", ""),
        ("SECRET_KEY", "", "must not be empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_variable_but_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """The line explains how to correct it."""
    (line,) = _mistakes(monkeypatch, **{name: value})
    assert line.startswith(f"{name}: ")
    assert words in line
    assert "\n" not in line
    assert len(value) < 9 or value not in line


@pytest.mark.parametrize("key", [None, "short", "a" * 64, "development-only-secret-key-not-for-production"])
def test_a_weak_secret_key_is_refused_only_in_production(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """The message has the command that makes a strong key."""
    given = {} if key is None else {"SECRET_KEY": key}
    (line,) = _mistakes(monkeypatch, APP_ENV="production", **given)
    assert line.startswith("SECRET_KEY: is too weak for production; make one with: python -c ")
    monkeypatch.setenv("APP_ENV", "development")
    assert load_settings().secret_key.get_secret_value()


def test_all_mistakes_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator does not have to fix them one by one."""
    lines = _mistakes(monkeypatch, SUPABASE_KEY="", REDIS_URL="redis://:p@ss@h:1/0", CACHE_TTL="ten", THREADS="99",
                      APP_ENV="production")  # fmt: skip
    assert {line.split(":")[0] for line in lines} == {"SUPABASE_KEY", "REDIS_URL", "CACHE_TTL", "THREADS", "SECRET_KEY"}
    monkeypatch.delenv("SUPABASE_URL")
    monkeypatch.delenv("SUPABASE_KEY")
    missing = [line for line in _mistakes_of_environment() if "is not set; .env.example explains it" in line]
    assert {line.split(":")[0] for line in missing} == {"SUPABASE_URL", "SUPABASE_KEY"}


def _mistakes_of_environment() -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return caught.value.mistakes


@pytest.mark.parametrize(
    "url",
    ["redis://localhost", "redis://localhost:6379", "redis://localhost:6379/0", "rediss://:p%40ss%23@host:6380/1",
     "redis://user:word@10.0.0.1:6379/0", "redis://[::1]:6379/0", "unix:///run/redis.sock?db=0", ""],
)  # fmt: skip
def test_every_usual_form_of_redis_url_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """An empty value means no Redis."""
    _set(monkeypatch, **_GOOD, REDIS_URL=url)
    loaded = load_settings().redis_url
    assert (loaded.get_secret_value() if loaded else "") == url


def test_only_two_variables_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """The TTL is 10 s, pools and timeouts are as documented, and the log is plain text."""
    _set(monkeypatch, **_GOOD)
    settings = load_settings()
    assert (settings.app_env, settings.in_production, settings.logs_json) == ("development", False, False)
    assert (settings.cache_ttl, settings.redis_max_connections) == (10, 10)
    assert (settings.redis_timeout, settings.redis_read_timeout) == (2.0, 0.03)
    assert (settings.redis_url, settings.supabase_jwt_secret, settings.supabase_timeout) == (None, None, 8.0)
    assert (settings.supabase_down_after, settings.metrics_token) == (2.0, None)
    assert settings.threads <= settings.redis_max_connections
    _set(monkeypatch, APP_ENV="production", SECRET_KEY=_STRONG)
    assert load_settings().logs_json


def test_the_settings_are_frozen_and_hide_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing or logging the settings reveals no secret."""
    secrets = {"SECRET_KEY": _STRONG, "SUPABASE_KEY": "sb_publishable_zzz", "REDIS_URL": "redis://:zzz@host:1/0",
               "SUPABASE_JWT_SECRET": f"zzz{_STRONG}"}  # fmt: skip
    _set(monkeypatch, **{**_GOOD, **secrets})
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.cache_ttl = 60  # type: ignore[misc]
    assert not [value for value in ("zzz", _STRONG) if value in f"{settings!r} {settings} {settings.model_dump()}"]


def test_the_environment_takes_precedence_over_the_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` in the working directory supplies variables that the environment does not set."""
    lines = [*(f"{name}={value}" for name, value in _GOOD.items()), "CACHE_TTL=20", 'LOG_LEVEL="DEBUG"', "OTHER=1"]
    (tmp_path / ".env").write_text("\n".join(lines))
    monkeypatch.setenv("CACHE_TTL", "30")
    settings = load_settings()
    assert (settings.cache_ttl, settings.log_level, settings.supabase_url) == (30, "DEBUG", _GOOD["SUPABASE_URL"])


def _run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(str(command[0]))
    ran = subprocess.run(  # noqa: S603 - our own command
        [program, *command[1:]],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ran.stdout + ran.stderr
    return ran


@pytest.mark.parametrize("command", [("gunicorn", "wsgi:app"), ("flask", "cache", "status")], ids=" ".join)
def test_an_invalid_environment_stops_the_start_with_only_its_mistakes(command: tuple[str, ...]) -> None:
    """The exit status is 1. There is no other output, no secret and no second attempt."""
    ran = _run(*command, cwd=ROOT, **{**_GOOD, "REDIS_URL": "redis://:secret@word@h:1/0", "CACHE_TTL": "ten"})
    assert (ran.returncode, ran.stdout) == (1, "")
    assert [line.split(":")[0] for line in ran.stderr.splitlines()] == ["REDIS_URL", "CACHE_TTL"]
    assert "secret" not in ran.stderr


def test_an_env_file_is_sufficient(stack: Stack, tmp_path: Path) -> None:
    """`.env` in the working directory, with an empty environment and without FLASK_APP."""
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in app_environment(stack).items()))
    ran = _run("flask", "--app", ROOT / "wsgi.py", "cache", "status", cwd=tmp_path)
    error_lines = [line for line in ran.stderr.splitlines() if '"app.audit"' not in line]
    assert (ran.returncode, "valkey" in ran.stdout, error_lines) == (0, True, [])


def test_an_env_file_in_another_encoding_is_one_mistake(tmp_path: Path) -> None:
    """There is no traceback of a decoding error."""
    (tmp_path / ".env").write_bytes("SUPABASE_KEY=schlüssel\n".encode("latin-1"))

    with pytest.raises(ConfigurationError, match=r"^\.env: is not UTF-8 text"):
        load_settings()


def test_the_example_env_file_has_every_variable_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names no other variable, and each has a comment above it."""
    text = (ROOT / ".env.example").read_text("utf-8")
    shown = dict(re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", text, re.MULTILINE))
    assert set(shown) == {name.upper() for name in Settings.model_fields}
    for name in shown:
        assert re.search(rf"^# .+\n(#?[A-Z_]+=.*\n)*#?{name}=", text, re.MULTILINE), name
    _set(monkeypatch, **_GOOD)
    defaults = load_settings()
    _set(monkeypatch, **shown | _GOOD)
    assert load_settings() == defaults


def test_redis_read_timeout_limits_the_wait_of_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that drops packets delays a reader by REDIS_READ_TIMEOUT, not by REDIS_TIMEOUT."""
    with unresponsive_port() as port:
        _set(monkeypatch, **_GOOD, REDIS_URL=f"redis://127.0.0.1:{port}", REDIS_READ_TIMEOUT="0.05", REDIS_TIMEOUT="60")
        with running_app(load_settings()) as app, app.app_context():
            policy = Policy(codec=JsonCodec(), ttl=10)
            assert cache.protocol.fetch("asin_stats:any", lambda: 1, policy).detail == "redis-timeout"


@pytest.mark.parametrize(
    ("url", "given", "issuer"),
    [
        ("https://abcdefgh.supabase.co", "", "https://abcdefgh.supabase.co/auth/v1"),
        ("https://abcdefgh.supabase.co/", "", "https://abcdefgh.supabase.co/auth/v1"),
        ("https://abcdefgh.supabase.co", "https://api.example.com/auth/v1", "https://api.example.com/auth/v1"),
        ("https://api.example.com", "", None),
        ("http://127.0.0.1:54321", "", None),
        ("https://abcdefgh.supabase.co.example.com", "", None),
    ],
)
def test_the_token_issuer_of_a_hosted_project_is_its_url(
    monkeypatch: pytest.MonkeyPatch, url: str, given: str, issuer: str | None
) -> None:
    """SUPABASE_JWT_ISSUER takes precedence. For other hosts without it the issuer is unknown."""
    _set(monkeypatch, **_GOOD | {"SUPABASE_URL": url, "SUPABASE_JWT_ISSUER": given})
    assert load_settings().token_issuer == issuer
