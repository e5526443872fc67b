"""Settings of the supervisor: `config/supervisor.toml`, overridden by `ARB_SUPERVISOR_*` and `.env`."""

import datetime as dt
import sys
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.contracts.alert_text import Language
from services.gateway.supervisor.dialogs import DialogRule
from services.runtime.settings import SectionSettings

KINDS = ("book", "trade")


class SupervisorSettings(SectionSettings):
    """What a desk decides about the supervision of one gateway. Times of day are market time."""

    SECTION: ClassVar[str] = "supervisor"
    model_config = SettingsConfigDict(env_prefix="ARB_SUPERVISOR_")

    language: Language = Language.ENGLISH
    """Of what it posts to Slack itself."""
    command: tuple[str, ...] = Field((sys.executable, "-m", "services.gateway"), min_length=1)
    """What starts the gateway."""
    log_dir: Path = Path("var/logs")
    """Where the log of a gateway goes that names no `log_file` of its own, and what it prints besides."""
    look_ms: int = Field(250, ge=50, le=2_000)
    first_pulse_s: int = Field(90, ge=5, le=900)
    """A new process has so long until its first pulse."""
    hang_s: int = Field(10, ge=2, le=300)
    """No pulse for so long: the Qt thread hangs."""
    hang_connecting_s: int = Field(60, ge=5, le=900)
    """The same while it is not ready: login and version check may block it (Kiwoom sheet 5.4)."""
    ready_s: int = Field(300, ge=10, le=3_600)
    """Not ready for so long outside the rest: it is started anew."""
    away_s: int = Field(180, ge=10, le=3_600)
    """Not ready for so long: a person is told, whatever is being tried."""
    stale_s: dict[str, int] = Field(default_factory=lambda: {"book": 30, "trade": 600})
    """Silence of a venue that trades, by type (`book`, `trade`), after which it is started anew; 0: never."""
    memory_soft_mb: int = Field(900, ge=50, le=3_500)
    """From here on it is started anew at the next moment at which nothing works and nothing is held."""
    memory_hard_mb: int = Field(1_400, ge=60, le=3_800)
    """From here on at once: a 32-bit process ends at 2 GB."""
    settle_s: int = Field(5, ge=0, le=120)
    """After the HALT file was laid, open orders have so long to be taken back before it is stopped."""
    stop_s: int = Field(10, ge=1, le=120)
    """Asked to stop, it has so long before it is killed."""
    backoff_s: tuple[int, ...] = Field((1, 5, 15, 30, 60), min_length=1)
    """Waits before the first, second, ... new start within `window_s`; the last one repeats."""
    most_ends: int = Field(5, ge=1, le=50)
    """After more unplanned ends than this within `window_s` it is given up, loudly."""
    window_s: int = Field(900, ge=30, le=86_400)
    after_cut_s: int = Field(300, ge=0, le=7_200)
    """Cut off by the broker as planned, outside the rest: the new start waits so long."""
    rest_from: dt.time = dt.time(20, 30)
    rest_to: dt.time = dt.time(7, 5)
    """The gateway does not run in these hours, nor on days without trading; equal times: never rests.

    The broker's nightly cut and its dialogs lie inside them (Kiwoom sheet 5.3)."""
    dialogs: tuple[DialogRule, ...] = ()
    lines_kept: int = Field(15, ge=1, le=100)
    """So many last lines of the gateway's log go with an alert."""
    redis_away_s: int = Field(5, ge=1, le=600)
    """Redis has not answered for so long: alerts go to Slack directly."""
    repeat_s: int = Field(900, ge=60, le=86_400)
    """The same alert is posted to Slack again only after so long."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.memory_soft_mb >= self.memory_hard_mb:
            raise ValueError("memory_soft_mb must be below memory_hard_mb")
        if self.hang_connecting_s < self.hang_s:
            raise ValueError("hang_connecting_s must be at least hang_s")
        if unknown := sorted(set(self.stale_s) - set(KINDS)):
            raise ValueError(f"stale_s: {', '.join(unknown)} is no type; known are {', '.join(KINDS)}")
        if any(seconds < 0 for seconds in (*self.stale_s.values(), *self.backoff_s)):
            raise ValueError("stale_s and backoff_s are seconds from 0 on")
        return self
