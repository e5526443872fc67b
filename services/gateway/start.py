"""How a gateway begins: the stored state joined with the log of intentions. Neither Qt nor a thread.

All that can fail is tried before the epoch is taken (`rehearsed`), so that a start that fails fences nobody.
"""

from collections.abc import Mapping

from services.contracts.streams import COMMANDS, CONTROL, STOPS, key_of
from services.contracts.terms import TradingDate
from services.gateway.intention_log import IntentionLog
from services.gateway.recovery import recovered, whole_log
from services.gateway.state import GatewayState
from services.runtime.bus import Bus


def rehearsed(bus: Bus, log: IntentionLog, first: GatewayState, source: str) -> GatewayState:
    """Recover as the start will, and change nothing: what cannot be read must not fence a live gateway.

    Raises:
        StateUnreadable, LogDamaged, TooOld: a start would fail.
        BusUnavailable: no answer.
    """
    bus.refuse_old()
    state = bus.codec.restore(first, bus.parts(source))
    return joined(state, log, first.clock.trading_date_at(bus.time_ns()), mend=False)


def joined(state: GatewayState, log: IntentionLog, today: TradingDate, *, mend: bool) -> GatewayState:
    """Return the stored state joined with the log of `today` and of the date before. Raises LogDamaged."""
    lines = log.read(today, mend=mend)
    state = whole_log(state, lines, today, str(log.path(today)))
    return recovered(state, lines, today, log.read_before(today, mend=mend))


def positions_of(stored: Mapping[str, str], gateway: str) -> dict[str, str]:
    """Return from where the gateway of this name reads each stream, by what it had committed."""
    keys = (STOPS.key, CONTROL.key, key_of(COMMANDS, gateway))
    return {key: stored.get(key, "0-0") for key in keys}
