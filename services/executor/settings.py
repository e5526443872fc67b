"""What a desk sets for the executor; the limits of trading itself come published by risk."""

from typing import ClassVar

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.contracts.streams import DEFAULT_GATEWAY
from services.runtime.settings import SectionSettings


class ExecutorSettings(SectionSettings):
    """File `config/executor.toml`, variables `ARB_EXECUTOR_*`."""

    SECTION: ClassVar[str] = "executor"
    model_config = SettingsConfigDict(env_prefix="ARB_EXECUTOR_")

    gateway: str = Field(DEFAULT_GATEWAY, min_length=1)
    """The gateway whose command stream orders are written to."""
    market_attempts: int = Field(1, ge=0, le=4)
    """How many of the last attempts to flatten are market orders, where KRX takes one."""
    flatten_wait_ms: int = Field(180_000, ge=1_000, le=3_600_000)
    """How long a residual waits for a venue (a VI lasts two minutes) before it is a stranded position."""
    quote_wait_ms: int = Field(5_000, ge=500, le=600_000)
    """How long a residual waits for a book before it is a stranded position."""
    doubt_alarm_ms: int = Field(15_000, ge=1_000, le=600_000)
    """An order that is unknown for longer calls a person; until then the gateway asks the broker."""
    settle_ms: int = Field(500, ge=0, le=60_000)
    """How long a flat pair waits for commission and tax that the broker has not reported yet."""
    closed_pairs_kept: int = Field(256, ge=16, le=4_096)
    """Closed pairs remembered, so that an approval or a fill told late is known for what it is."""

    @model_validator(mode="after")
    def _agree(self) -> "ExecutorSettings":
        if self.quote_wait_ms > self.flatten_wait_ms:
            raise ValueError("quote_wait_ms is more than flatten_wait_ms; lower it")
        return self
