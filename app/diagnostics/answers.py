"""Models of the answers of the diagnostics, for their description."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

Count = Annotated[int, Field(ge=0)]
Percent = Annotated[float | None, Field(ge=0, le=100, description="In percent; null before the first read.")]


class Memory(BaseModel):
    """Memory of the Redis server. A member is null when the server does not report it."""

    used_memory: int | None
    used_memory_human: str | None
    used_memory_peak_human: str | None
    maxmemory_policy: str | None


class RedisStatus(BaseModel):
    """The Redis server. While it does not answer, only the first two members are present."""

    enabled: Annotated[bool, Field(description="A Redis is configured.")]
    connected: Annotated[bool, Field(description="It answered a ping for this request.")]
    server: Annotated[str | None, Field(default=None)]
    latency_ms: Annotated[float | None, Field(default=None)]
    hit_rate: Annotated[Percent, Field(default=None)]
    keyspace_hits: Annotated[int | None, Field(default=None)]
    keyspace_misses: Annotated[int | None, Field(default=None)]
    memory_usage: Annotated[Memory, Field(default=None)]


class AppCounts(BaseModel):
    """Reads through all workers of this server."""

    hits: Count
    misses: Count
    hit_rate: Percent
    since: AwareDatetime


class Breaker(BaseModel):
    """The circuit breaker for Redis."""

    state: Literal["closed", "open", "half-open"]
    owed: Annotated[Count, Field(description="Deletes that must still be sent to Redis.")]


class CacheStatus(BaseModel):
    """The caller's cache entry, and the health of the cache."""

    redis: RedisStatus
    app: AppCounts | None
    breaker: Breaker | None
    user_cached: bool
    cache_key: str
    default_ttl_seconds: int
    state: Literal["absent", "value", "lease", "writing", "failure", "foreign"] | None
    ttl_seconds: float | None
    size_bytes: int | None


class Entry(BaseModel):
    """One cache entry."""

    key: str
    state: str
    ttl_seconds: float | None
    size_bytes: int | None


class RedisReport(BaseModel):
    """The Redis server in detail. Without a configured Redis, only the first two members are present."""

    enabled: bool
    connected: bool
    server: Annotated[str | None, Field(default=None)]
    latency_ms: Annotated[float | None, Field(default=None)]
    info: Annotated[dict[str, int | float | str], Field(default={}, description="Selected fields of INFO.")]
    entries: Annotated[list[Entry], Field(default=[], description="A sample of at most 100 entries.")]
    breaker: Annotated[Breaker | None, Field(default=None)]
    pool: Annotated[dict[str, int] | None, Field(default=None, description="The connections of this worker.")]
    counters: Annotated[dict[str, int] | None, Field(default=None, description="Cache events in all workers.")]


class Liveness(BaseModel):
    """The state of the process."""

    status: Literal["ok"]


class Dependency(BaseModel):
    """A server that this one needs."""

    enabled: Annotated[bool, Field(default=True)]
    connected: bool
    latency_ms: Annotated[float | None, Field(default=None)]


class Readiness(BaseModel):
    """Whether requests can be served. Operators also see each dependency."""

    status: Literal["ready", "unavailable"]
    redis: Annotated[Dependency, Field(default=None)]
    database: Annotated[Dependency, Field(default=None)]
