"""What a person sets for risk. File `config/risk.toml`, variables `ARB_RISK_*`. Limits are in limits.toml."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import SectionSettings


class RiskSettings(SectionSettings):
    """Times in milliseconds. The symbol groups stand in runtime.toml, for all services."""

    SECTION: ClassVar[str] = "risk"
    model_config = SettingsConfigDict(env_prefix="ARB_RISK_")

    required_services: tuple[str, ...] = ("gateway", "executor", "notifier")
    """Services without whose heartbeat nothing new is bought."""
    heartbeat_timeout_ms: int = Field(5_000, ge=1_500, le=60_000)
    files_poll_ms: int = Field(2_000, ge=100, le=60_000)
    """How often the files of limits, threshold, symbols, costs and instruments are looked at."""
