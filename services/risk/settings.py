"""What a person sets for risk. File `config/risk.toml`, variables `ARB_RISK_*`. Limits are in limits.toml."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import SectionSettings

ServiceName = Annotated[
    str, StringConstraints(pattern=r"^(gateway|executor|notifier|detector-[a-z0-9][a-z0-9_-]{0,19})$")
]


class RiskSettings(SectionSettings):
    """Times in milliseconds. The symbol groups stand in runtime.toml, for all services."""

    SECTION: ClassVar[str] = "risk"
    model_config = SettingsConfigDict(env_prefix="ARB_RISK_")

    required_services: tuple[ServiceName, ...] = ("gateway", "executor", "notifier")
    """Services without whose heartbeat nothing new is bought; a detector is `detector-<group>`."""
    heartbeat_timeout_ms: int = Field(5_000, ge=1_500, le=60_000)
    files_poll_ms: int = Field(2_000, ge=100, le=60_000)
    """How often the files of limits, threshold, symbols, costs and instruments are looked at."""
