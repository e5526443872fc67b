"""Risk as a service: what it reads, the files it watches, and the clock of its trading date."""

from collections.abc import Sequence
from pathlib import Path

from services.contracts.streams import CONTROL, INTENTS, ORDERS, PAIRS, STATUS, STOPS, TICKS, VENUE, key_of
from services.market.errors import ConfigError
from services.market.files import read_day_plan
from services.market.market_clock import REAL_TIME, MarketClock
from services.risk.core import SERVICE, decide
from services.risk.counts import counted
from services.risk.files import FilesWatch
from services.risk.gauges import readings
from services.risk.settings import RiskSettings
from services.risk.state import RiskState
from services.runtime.service import Service
from services.runtime.settings import RuntimeSettings, SettingsError, config_dir, load_settings


def build(runtime: RuntimeSettings) -> Service[RiskState]:
    """Return the service as the settings say. Raises SettingsError."""
    return risk_service(load_settings(RiskSettings), config_dir(), market_clock(runtime), runtime.groups)


def risk_service(
    settings: RiskSettings, files_dir: Path, clock: MarketClock, groups: Sequence[str]
) -> Service[RiskState]:
    """Return the service over the files of `files_dir`, with trading dates by `clock`."""
    watch = FilesWatch(files_dir, groups, clock.trading_date_at, settings.files_poll_ms)
    return Service(
        trades=True,
        name=SERVICE,
        decide=decide,
        initial=RiskState(
            required_services=settings.required_services,
            heartbeat_timeout_ms=settings.heartbeat_timeout_ms,
        ),
        committed=(STOPS.key, VENUE.key, INTENTS.key, PAIRS.key, ORDERS.key, CONTROL.key),
        newest=(STATUS.key, *(key_of(TICKS, group) for group in groups)),
        reference_hash_of=lambda state: state.reference_hash,
        exports=SERVICE,
        readings=readings,
        counted=counted,
        observe=watch,
    )


def market_clock(runtime: RuntimeSettings) -> MarketClock:
    """Return the plan of a compressed day where one is set, else real time. Raises SettingsError."""
    if not runtime.day_plan:
        return REAL_TIME
    try:
        return read_day_plan(Path(runtime.day_plan))
    except ConfigError as error:
        raise SettingsError(f"ARB_RUNTIME_DAY_PLAN: {error}") from error
