"""The closed lists of why something was refused. Docs are generated from here."""

from enum import StrEnum


class DenialReason(StrEnum):
    """Why risk denied an intent."""

    TRADING_STATE = "trading_state", "The trading state does not allow new pairs."
    LATCHED = "latched", "A latch holds until a person lifts it with a reason."
    NOT_READY = "not_ready", "Connection, reconciliation, account or reference data are not there yet."
    WINDOW_CLOSED = "window_closed", "Outside the hours in which both venues trade continuously."
    SYMBOL_UNKNOWN = "symbol_unknown", "Not in the symbol map in force, or disabled there."
    NOT_ELIGIBLE = "not_eligible", "NXT does not trade this symbol today."
    SYMBOL_HALTED = "symbol_halted", "A halt or VI on one venue blocks the symbol on both."
    SYMBOL_PAUSED = "symbol_paused", "A person or an order nobody knows paused this symbol."
    ORDER_WARNING = "order_warning", "The broker would raise a dialog for this symbol."
    STALE_REFERENCE = (
        "stale_reference",
        "The intent was computed with other costs or limits than hold now.",
    )
    EXPIRED = "expired", "The intent is older than it may be."
    CLOCK_SKEW = "clock_skew", "The intent is stamped in the future."
    STALE_QUOTE = "stale_quote", "A quote is too old, of an older connection, or its feed is not alive."
    QUOTE_SKEW = "quote_skew", "The two quotes are too far apart in time."
    CROSS_AGE = "cross_age", "The cross has not stood as long as its threshold asks."
    EDGE_GONE = "edge_gone", "At the freshest quotes the net edge is below the threshold."
    MOVED_LAST = (
        "moved_last",
        "The other quote moved since, and for that side the net edge is below the threshold.",
    )
    SANITY_CEILING = "sanity_ceiling", "Too good to be true."
    COLLAR = "collar", "A price is off its tick, outside the day's band, or too far from the reference."
    ORDER_SIZE = "order_size", "Quantity or value is over the hard ceiling for one order."
    DUPLICATE = "duplicate", "This intent has had its verdict."
    PAIR_OPEN = "pair_open", "A pair of this symbol is still open, or holds a stranded position."
    REPEATED = "repeated", "Too many pairs of this symbol in a short time: it waits for a person."
    TRIPS_SPENT = "trips_spent", "The day's trips of this symbol are spent."
    OPEN_PAIRS = "open_pairs", "As many pairs are open as the order budget can close."
    EXPOSURE_SYMBOL = "exposure_symbol", "The worst case of this symbol would exceed its limit."
    EXPOSURE_TOTAL = "exposure_total", "The worst case of all symbols would exceed the limit."
    UNHEDGED = "unhedged", "More would be bought and not yet sold than may be, over all pairs."
    ORDERS_SPENT = "orders_spent", "The day's orders are spent."
    CASH = "cash", "The account cannot pay for it at 100 % margin."
    SELF_CROSS = "self_cross", "An own order on the other side of the same venue is still working."
    LOSS_LIMIT = "loss_limit", "The day's loss has reached its limit."

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "DenialReason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class GateReason(StrEnum):
    """Why the gateway refused a command at the last gate."""

    MODE = "mode", "This gateway only observes."
    HALTED = "halted", "A halt is in force."
    HALT_FILE = "halt_file", "A HALT file lies beside the gateway."
    TRADING_STATE = "trading_state", "The trading state does not allow this order."
    LEASE = "lease", "The trading lease is not held."
    NOT_READY = "not_ready", "Not connected, or not reconciled since the last connection."
    WINDOW_CLOSED = "window_closed", "Outside the entry window, or no continuous trading on that venue."
    EXPIRED = "expired", "The command is older than it may be."
    DUPLICATE = "duplicate", "This id was already used."
    SUPERSEDED = "superseded", "A later attempt has replaced this one."
    SYMBOL_UNKNOWN = "symbol_unknown", "Not in the symbol map in force."
    SYMBOL_HALTED = "symbol_halted", "A halt or VI on that venue."
    SYMBOL_PAUSED = "symbol_paused", "A person paused this symbol, or an order in it is not ours."
    ORDER_WARNING = "order_warning", "The broker would raise a dialog for this symbol."
    ORDER_SIZE = "order_size", "Quantity or value is over the hard ceiling."
    COLLAR = "collar", "Off tick, outside the day's band, or too far from the reference."
    ORDER_KIND = "order_kind", "The venue does not take this kind of order in this session."
    SELF_CROSS = "self_cross", "An own order works on the other side of the same venue."
    UNACKNOWLEDGED = "unacknowledged", "An order of this symbol, venue and side is still unacknowledged."
    OVERSELL = "oversell", "More would be sold than this pair bought."
    ORDER_BUDGET = "order_budget", "It could not leave in time: the order budget is spent or owed to exits."
    TARGET_UNKNOWN = "target_unknown", "The order to cancel or amend is not known, or is closed."
    LOG_FAILED = "log_failed", "The intention could not be written to disk."
    REMOVED = "removed", "Cancelled while still queued in the gateway."
    NEVER_SENT = "never_sent", "Cancelled, and in no log of its date: it was never sent and never will be."
    CORE_FAILED = "core_failed", "The gateway failed at it before its intention was logged: it was not sent."
    BUS_LOST = "bus_lost", "Redis lost its last second; who gave the command may not know of it any more."

    meaning: str

    @property
    def of_the_moment(self) -> bool:
        """Whether the command only came at the wrong time; the others say that a sender is wrong."""
        return self in _OF_THE_MOMENT

    def __new__(cls, value: str, meaning: str = "") -> "GateReason":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


_OF_THE_MOMENT = frozenset(
    {
        GateReason.MODE, GateReason.HALTED, GateReason.HALT_FILE, GateReason.TRADING_STATE, GateReason.LEASE,
        GateReason.NOT_READY, GateReason.WINDOW_CLOSED, GateReason.EXPIRED, GateReason.SYMBOL_HALTED,
        GateReason.SYMBOL_PAUSED,
        GateReason.UNACKNOWLEDGED, GateReason.ORDER_BUDGET, GateReason.TARGET_UNKNOWN, GateReason.REMOVED,
        GateReason.NEVER_SENT, GateReason.BUS_LOST,
    }
)  # fmt: skip
