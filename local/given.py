"""The parts of the stack that the developer brings along, by environment or `.env`."""

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from local import ROOT

__all__ = ["Given"]


class Given(BaseSettings):
    """What is set here is used instead of starting that part; empty means not set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=ROOT / ".env", env_ignore_empty=True)

    redis_url: str | None = Field(default=None, repr=False)
    supabase_url: str | None = None
    supabase_key: str | None = Field(default=None, repr=False)
    supabase_jwt_secret: str | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _supabase_whole_or_not(self) -> "Given":
        if (self.supabase_url is None) != (self.supabase_key is None):
            raise ValueError("SUPABASE_URL and SUPABASE_KEY belong together: set both, or neither")
        return self
