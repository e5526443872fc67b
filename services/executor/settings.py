"""What a desk sets for the executor; the limits of trading itself come published by risk."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.contracts.streams import DEFAULT_GATEWAY
from services.runtime.settings import GatewayName, SectionSettings


class ExecutorSettings(SectionSettings):
    """File `config/executor.toml`, variables `ARB_EXECUTOR_*`."""

    SECTION: ClassVar[str] = "executor"
    model_config = SettingsConfigDict(env_prefix="ARB_EXECUTOR_")

    gateway: GatewayName = DEFAULT_GATEWAY
    """The gateway whose command stream orders are written to."""
    doubt_alarm_ms: int = Field(15_000, ge=1_000, le=600_000)
    """An order that is unknown for longer calls a person; until then the gateway asks the broker."""
    settle_ms: int = Field(500, ge=0, le=60_000)
    """How long a flat pair waits for commission and tax that the broker has not reported yet."""
    closed_pairs_kept: int = Field(256, ge=16, le=4_096)
    """Closed pairs remembered, so that an approval or a fill told late is known for what it is."""
