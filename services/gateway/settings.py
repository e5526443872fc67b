"""Settings of the gateway: `config/gateway.toml`, overridden by `ARB_GATEWAY_*` and `.env`.

Live trading needs two settings that agree: `mode = "live"`, and `live_account` equal to the
account in use. Either alone refuses to start (design, 6).
"""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.contracts.limits import CODES_PER_SCREEN
from services.contracts.streams import DEFAULT_GATEWAY
from services.contracts.system import SHIPPED_NAME, SystemIdentity, SystemMode, mode_of
from services.contracts.terms import GatewayMode
from services.runtime.settings import GatewayName, RuntimeSettings, SectionSettings, SettingsError
from services.runtime.system import own_system

MOST_FROZEN_MIN = 120
"""What is not registered so long has no feed for the best part of a morning."""
MOST_SYMBOLS = 2_000
"""No symbol map has more: all of its rows travel in one message."""
FEED_SCREENS = 120
"""Of the control's 200 (Kiwoom sheet 5.2); the others are for orders and queries."""


class GatewaySettings(SectionSettings):
    """What a desk decides about one gateway. Times of day are market time, `_ms` and `_s` real time."""

    SECTION: ClassVar[str] = "gateway"
    model_config = SettingsConfigDict(env_prefix="ARB_GATEWAY_")

    name: GatewayName = DEFAULT_GATEWAY
    mode: GatewayMode = GatewayMode.OBSERVE
    account: str = Field("", pattern=r"^(\d{10})?$")
    """The account to trade in; empty takes the only one of the login."""
    live_account: str = Field("", pattern=r"^(\d{10})?$")
    """The second of the two settings that live trading needs: the account's number once more."""
    state_dir: Path = Path("var/gateway")
    """Where the log of intentions lies. A local disk: a line is synced before an order is sent."""
    lost_log_of: str = Field("", pattern=r"^(\d{4}-\d\d-\d\d)?$")
    """A trading date whose log of intentions is lost for good: a person has compared its orders with the
    broker's screen, and the gateway starts without it on that date."""
    halt_file: Path = Path("var/HALT")
    """While an entry of its folder has a name that begins so, or with halt, only cancels are sent."""
    reconnect: Literal["exit", "in_process"] = "exit"
    """After a lost connection: end the process for its supervisor, or log in again (emulated control)."""
    book_levels: int = Field(5, ge=1, le=10)
    max_symbols: int = Field(200, ge=1, le=MOST_SYMBOLS)
    """Symbols registered at once, on both venues; the others take turns."""
    rotate_s: int = Field(60, ge=5, le=3_600)
    publish_trades: bool = False
    timer_ms: int = Field(4, ge=1, le=50)
    ack_timeout_ms: int = Field(3_000, ge=200, le=60_000)
    """An order with no answer by then is unknown."""
    query_timeout_ms: int = Field(5_000, ge=500, le=60_000)
    reconcile_open_s: int = Field(15, ge=2, le=600)
    """While orders are open, stream and broker are compared this often."""
    account_quiet_ms: int = Field(3_000, ge=100, le=600_000)
    """The account is asked for when no order has moved for this long since the last report."""
    account_every_s: int = Field(120, ge=10, le=3_600)
    facts_every_s: int = Field(60, ge=1, le=3_600)
    """The NXT list, halts and warnings of each symbol are read again this often."""
    feed_silence_ms: int = Field(5_000, ge=500, le=120_000)
    """No book of a venue for this long while it trades: the feed is not alive."""
    exchange_time_parts_s: int = Field(5, ge=2, le=60)
    """Redis time and the exchange's time stamps (FID 21) may be so far apart, in seconds of market time
    at the market's own pace; further for 3 s, and entries stop until a person has looked."""
    login_retry_s: int = Field(10, ge=1, le=600)
    login_timeout_s: int = Field(120, ge=5, le=3_600)
    nightly_cut_from: dt.time = dt.time(4, 30)
    nightly_cut_to: dt.time = dt.time(7, 0)
    """The broker cuts everybody off in these hours: planned, nobody is woken."""
    guard_after_open_s: int = Field(30, ge=5, le=1_800)
    guard_before_pause_s: int = Field(60, ge=10, le=1_800)
    """New pairs wait so long after both venues have opened, and end so long before one pauses, when what
    rests on NXT is cancelled too (market rules 9). Market time."""
    codes_per_screen: int = Field(CODES_PER_SCREEN, ge=1, le=CODES_PER_SCREEN)
    mixed_screens: bool = False
    """Whether codes of KRX and NXT share screens: not known to work (Kiwoom sheet 4.2)."""
    still_from: dt.time = dt.time(8, 58)
    still_to: dt.time = dt.time(9, 15)
    """No registration is changed in these hours (Kiwoom sheet 8.2), those of a day that opens at 09:00: on
    another they move with the open."""

    @field_validator("halt_file")
    @classmethod
    def _names_a_file(cls, path: Path) -> Path:
        if not path.name:
            raise ValueError("names no file: each entry of the folder would stop the gateway; write var/HALT")
        return path

    @model_validator(mode="after")
    def _screens_suffice(self) -> Self:
        screens = 2 * -(-self.max_symbols // self.codes_per_screen)
        if screens > FEED_SCREENS:
            raise ValueError(
                f"max_symbols {self.max_symbols} at {self.codes_per_screen} codes a screen need {screens} "
                f"screens, {FEED_SCREENS} are there for books: raise codes_per_screen or lower max_symbols"
            )
        return self

    @model_validator(mode="after")
    def _freeze_is_short(self) -> Self:
        start, end = (at.hour * 60 + at.minute for at in (self.still_from, self.still_to))
        if not 0 < end - start <= MOST_FROZEN_MIN:
            raise ValueError(
                f"still_to {self.still_to} must follow still_from {self.still_from} within "
                f"{MOST_FROZEN_MIN} minutes"
            )
        return self

    @model_validator(mode="after")
    def _live_needs_two(self) -> Self:
        if self.mode is GatewayMode.LIVE and not self.live_account:
            raise ValueError(
                'mode is "live" but live_account is empty; live trading needs both settings: '
                "write the account's ten digits into live_account"
            )
        if self.account and self.live_account and self.account != self.live_account:
            raise ValueError("account and live_account differ; make them the same or empty one")
        return self


def system_of(runtime: RuntimeSettings, settings: GatewaySettings) -> SystemIdentity:
    """Return the system that a gateway of these settings belongs to.

    Raises:
        SettingsError: live trading in a simulated system, or in one that nobody has named.
    """
    if settings.mode is GatewayMode.LIVE:
        if runtime.system_mode is SystemMode.SIMULATED:
            raise SettingsError(
                'mode is "live" but system_mode is "simulated": write system_mode = "real" into runtime.toml '
                "(a simulated broker says so itself, ARB_RUNTIME_SYSTEM_MODE)"
            )
        if runtime.system == SHIPPED_NAME:
            raise SettingsError(
                f'mode is "live" but the system still has its shipped name "{SHIPPED_NAME}": write a name of '
                "your own into runtime.toml on each machine (system), so that no other system takes its Redis"
            )
    return replace(own_system(runtime), mode=mode_of(settings.mode, runtime.system_mode))
