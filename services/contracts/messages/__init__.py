"""Every message type, by the stream that carries it. Importing this package registers them all."""

from services.contracts.messages import (
    alerts,
    commands,
    control,
    dead,
    intents,
    lease,
    market_data,
    orders,
    pairs,
    status,
    supervision,
    venue_state,
)

__all__ = [
    "alerts",
    "commands",
    "control",
    "dead",
    "intents",
    "lease",
    "market_data",
    "orders",
    "pairs",
    "status",
    "supervision",
    "venue_state",
]
