"""What alerts there are: the closed list, each with its kind. Both wordings of each stand beside it.

A new alert needs a line here, its words in `alert_english` and `alert_korean`, and a service that
raises it; tests hold all three together.
"""

from enum import StrEnum

from services.contracts.messages.alerts import AlertKind


class AlertCode(StrEnum):
    """Which alert it is; `kind` is the family that routing is configured by."""

    # raised by every service's loop
    DEAD_LETTER = "dead_letter", AlertKind.DEAD_LETTER
    TICK_FAILING = "tick_failing", AlertKind.BUS
    BUS_OUTAGE = "bus_outage", AlertKind.BUS
    BUS_EMPTIED = "bus_emptied", AlertKind.BUS
    SECOND_INSTANCE = "second_instance", AlertKind.BUS
    BUS_ROLLED_BACK = "bus_rolled_back", AlertKind.BUS
    STREAM_ANEW = "stream_anew", AlertKind.BUS
    OUTPUT_LEFT_OUT = "output_left_out", AlertKind.BUS
    UNWRITABLE = "unwritable", AlertKind.BUS
    COMMITS_AHEAD = "commits_ahead", AlertKind.BUS
    STATE_UNREADABLE = "state_unreadable", AlertKind.BUS
    # gateway
    DISCONNECTED = "disconnected", AlertKind.DISCONNECT
    LOGIN_FAILED = "login_failed", AlertKind.DISCONNECT
    LOGIN_REFUSED = "login_refused", AlertKind.API_ERROR
    ORDER_KIND_REFUSED = "order_kind_refused", AlertKind.API_ERROR
    SESSION_REFUSED = "session_refused", AlertKind.API_ERROR
    ORDERS_RESTRICTED = "orders_restricted", AlertKind.API_ERROR
    REGISTRATION_REFUSED = "registration_refused", AlertKind.API_ERROR
    ORDER_DATA_UNREADABLE = "order_data_unreadable", AlertKind.API_ERROR
    FRAMES_GARBLED = "frames_garbled", AlertKind.API_ERROR
    QUERY_UNANSWERED = "query_unanswered", AlertKind.API_ERROR
    BANDS_UNREAD = "bands_unread", AlertKind.API_ERROR
    BROKER_WORD_UNKNOWN = "broker_word_unknown", AlertKind.API_ERROR
    GATEWAY_FAILED = "gateway_failed", AlertKind.API_ERROR
    RATE_REFUSED = "rate_refused", AlertKind.RATE_LIMIT
    QUERIES_SPENT = "queries_spent", AlertKind.RATE_LIMIT
    FEED_SILENT = "feed_silent", AlertKind.STALE_FEED
    BOOKS_SILENT = "books_silent", AlertKind.STALE_FEED
    EXCHANGE_TIME_APART = "exchange_time_apart", AlertKind.CLOCK
    MARKET_STATUS_STRANGE = "market_status_strange", AlertKind.SESSION
    TABLE_ENDS = "table_ends", AlertKind.REFERENCE
    HALT_FILE = "halt_file", AlertKind.HALT
    HALT_BY_SUPERVISOR = "halt_by_supervisor", AlertKind.DISCONNECT
    SYMBOL_HALTED = "symbol_halted", AlertKind.HALT
    ORDER_REJECTED = "order_rejected", AlertKind.ORDER_REJECTED
    ORDER_UNKNOWN = "order_unknown", AlertKind.ORDER_UNKNOWN
    ORDER_AMBIGUOUS = "order_ambiguous", AlertKind.ORDER_UNKNOWN
    FOREIGN_ORDER_SEEN = "foreign_order_seen", AlertKind.FOREIGN_ORDER
    LOG_UNWRITTEN = "log_unwritten", AlertKind.API_ERROR
    LOG_LOST = "log_lost", AlertKind.API_ERROR
    LEASE_MISFIT = "lease_misfit", AlertKind.REFERENCE
    QUERIES_RESTRICTED = "queries_restricted", AlertKind.RATE_LIMIT
    VENUE_SHUT = "venue_shut", AlertKind.SESSION
    SWEEP_UNCONFIRMED = "sweep_unconfirmed", AlertKind.SESSION
    OLD_ORDERS = "old_orders", AlertKind.RECONCILIATION
    BOOKS_DIFFER = "books_differ", AlertKind.RECONCILIATION
    NOTHING_ACCEPTED = "nothing_accepted", AlertKind.RECONCILIATION
    # the gateway's supervisor
    GATEWAY_DOWN = "gateway_down", AlertKind.DISCONNECT
    GATEWAY_GIVEN_UP = "gateway_given_up", AlertKind.DISCONNECT
    GATEWAY_AWAY = "gateway_away", AlertKind.DISCONNECT
    GATEWAY_MEMORY = "gateway_memory", AlertKind.API_ERROR
    HALT_FILE_UNLAID = "halt_file_unlaid", AlertKind.HALT
    REDIS_AWAY = "redis_away", AlertKind.BUS
    WINDOW_WAITS = "window_waits", AlertKind.API_ERROR
    WINDOW_CLOSED = "window_closed", AlertKind.API_ERROR
    # detector
    SPREAD_ANOMALY = "spread_anomaly", AlertKind.SPREAD_ANOMALY
    CROSS_STANDING = "cross_standing", AlertKind.SPREAD_ANOMALY
    BOOK_REFUSED = "book_refused", AlertKind.SPREAD_ANOMALY
    BID_FAILS = "bid_fails", AlertKind.SPREAD_ANOMALY
    # risk
    LATCHED = "latched", AlertKind.LATCH
    STATE_CHANGED = "state_changed", AlertKind.TRADING_STATE
    STATE_LOWERED = "state_lowered", AlertKind.TRADING_STATE
    SYMBOL_PAUSED = "symbol_paused", AlertKind.TRADING_STATE
    SYMBOL_RESUMED = "symbol_resumed", AlertKind.TRADING_STATE
    EXPOSURE_OVER = "exposure_over", AlertKind.LIMIT_BREACH
    SYMBOL_REPEATED = "symbol_repeated", AlertKind.LIMIT_BREACH
    ORDERS_SPENT = "orders_spent", AlertKind.LIMIT_BREACH
    FOREIGN_ORDER = "foreign_order", AlertKind.FOREIGN_ORDER
    API_REJECTED = "api_rejected", AlertKind.API_ERROR
    REFERENCE_REFUSED = "reference_refused", AlertKind.REFERENCE
    REFERENCE_ABSENT = "reference_absent", AlertKind.REFERENCE
    SYMBOL_KEPT = "symbol_kept", AlertKind.REFERENCE
    NOT_ELIGIBLE = "not_eligible", AlertKind.REFERENCE
    LIMITS_DIFFER = "limits_differ", AlertKind.REFERENCE
    OVERRIDES_DROPPED = "overrides_dropped", AlertKind.REFERENCE
    GATE_REFERENCE = "gate_reference", AlertKind.REFERENCE
    GATE_DAY = "gate_day", AlertKind.REFERENCE
    GATE_CONNECTION = "gate_connection", AlertKind.DISCONNECT
    GATE_RECONCILIATION = "gate_reconciliation", AlertKind.RECONCILIATION
    GATE_ACCOUNT = "gate_account", AlertKind.RECONCILIATION
    GATE_HEARTBEAT = "gate_heartbeat", AlertKind.BUS
    GATE_BUILDS = "gate_builds", AlertKind.BUS
    GATE_IN_FORCE = "gate_in_force", AlertKind.REFERENCE
    GATE_CLOCK = "gate_clock", AlertKind.CLOCK
    GATE_JOURNAL = "gate_journal", AlertKind.JOURNAL
    GATE_STREAMS = "gate_streams", AlertKind.BUS
    GATE_WINDOW = "gate_window", AlertKind.SESSION
    GATE_FEED = "gate_feed", AlertKind.STALE_FEED
    # executor
    RESIDUAL = "residual", AlertKind.RESIDUAL
    RESIDUAL_BLOCKED = "residual_blocked", AlertKind.RESIDUAL
    STRANDED = "stranded", AlertKind.STRANDED
    STRANDED_UNCERTAIN = "stranded_uncertain", AlertKind.STRANDED
    CLAIM_REFUSED = "claim_refused", AlertKind.STRANDED
    ORDER_IN_DOUBT = "order_in_doubt", AlertKind.ORDER_UNKNOWN
    STRAY_FILL = "stray_fill", AlertKind.RECONCILIATION
    PAIR_RECOVERED = "pair_recovered", AlertKind.RECONCILIATION
    PAIR_REOPENED = "pair_reopened", AlertKind.RECONCILIATION
    PAIR_CLOSED = "pair_closed", AlertKind.PAIR_CLOSED
    # notifier
    JOURNAL_STOPPED = "journal_stopped", AlertKind.JOURNAL
    JOURNAL_HOLE = "journal_hole", AlertKind.JOURNAL
    JOURNAL_RESTARTED = "journal_restarted", AlertKind.JOURNAL
    JOURNAL_TAKEN = "journal_taken", AlertKind.JOURNAL
    JOURNAL_DISK = "journal_disk", AlertKind.JOURNAL
    STREAM_LONG = "stream_long", AlertKind.BUS
    JOB_REFUSED = "job_refused", AlertKind.BUS
    # a person
    SLACK_TEST = "slack_test", AlertKind.SESSION
    SYSTEM_ADOPTED = "system_adopted", AlertKind.BUS

    kind: AlertKind

    def __new__(cls, value: str, kind: AlertKind = AlertKind.BUS) -> "AlertCode":
        member = str.__new__(cls, value)
        member._value_ = value
        member.kind = kind
        return member
