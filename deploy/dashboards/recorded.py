"""Names of the recording rules that panels read; `deploy/prometheus/rules/recording.yml` makes them."""

from typing import Final

VENUE_TRADES: Final = "arb:venue_trades"
"""1 while a venue matches continuously, by venue."""
SERVICES_DOWN: Final = "arb:services_down"
"""Processes that Prometheus cannot reach or that are not where they are expected."""
LOSS_USED: Final = "arb:loss_limit_used:ratio"
"""The day's loss, what is held marked at the better bid, as a share of the limit."""
EXPOSURE_USED: Final = "arb:exposure_limit_used:ratio"
"""Worst-case exposure as a share of the limit."""
TICK_TO_ORDER_P50: Final = "arb:tick_to_order_seconds:p50_5m"
TICK_TO_ORDER_P95: Final = "arb:tick_to_order_seconds:p95_5m"
HOP_P95: Final = "arb:order_path_seconds:p95_5m"
"""By hop."""
COMMIT_P99: Final = "arb:commit_seconds:p99_5m"
"""By process."""
READER_LAG: Final = "arb:reader_lag_seconds:max"
"""By reader and stream."""
FILL_RATIO: Final = "arb:entry_fill:ratio_1h"
"""Of the entry orders that came to an end, those that filled whole or in part."""

ALL: Final = (
    VENUE_TRADES, SERVICES_DOWN, LOSS_USED, EXPOSURE_USED, TICK_TO_ORDER_P50, TICK_TO_ORDER_P95, HOP_P95,
    COMMIT_P99, READER_LAG, FILL_RATIO,
)  # fmt: skip
