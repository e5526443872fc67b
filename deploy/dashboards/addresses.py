"""Where a click leads: the dashboards' ids, and links that keep the time range."""

from typing import Final

TRADING_DAY: Final = "arb-trading-day"
SYMBOL: Final = "arb-symbol"
EXECUTION: Final = "arb-execution"
RISK: Final = "arb-risk"
BUS: Final = "arb-bus"
GATEWAY: Final = "arb-gateway"

_KEEP: Final = "${__url_time_range}"


def to(uid: str, **variables: str) -> str:
    """Return the address of a dashboard with its variables set; a value may be a field of the row clicked."""
    chosen = "&".join(f"var-{name}={value}" for name, value in variables.items())
    return f"/d/{uid}?{f'{chosen}&' if chosen else ''}{_KEEP}"


def field(name: str) -> str:
    """Return the value of a field in the row that was clicked."""
    return f'${{__data.fields["{name}"]}}'
