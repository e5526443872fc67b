"""What a person sets for a detector. File `config/detector.toml`, variables `ARB_DETECTOR_*`."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import GroupName, SectionSettings


class DetectorSettings(SectionSettings):
    """`group` is the symbol group of this process, `spreads_shown` how many spreads its status names."""

    SECTION: ClassVar[str] = "detector"
    model_config = SettingsConfigDict(env_prefix="ARB_DETECTOR_")

    group: GroupName = "g1"
    spreads_shown: int = Field(20, ge=1, le=200)
