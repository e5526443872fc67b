"""What the gateway measures: feed, sessions, connection, orders, limits, lease, reconciliation."""

from services.contracts.dated import DateSubject
from services.contracts.messages.market_data import BookTrouble
from services.contracts.messages.venue_state import ConnectionState, HaltKind
from services.contracts.metric import (
    COMMIT_S,
    LATENCY_S,
    PURPOSE,
    SIDE,
    VENUE,
    Label,
    Unit,
    counter,
    gauge,
    histogram,
)
from services.contracts.reasons import GateReason
from services.contracts.terms import GatewayMode, SessionPhase

CALL = Label("call", ("order", "query"))
"""The broker counts orders (with amendments and cancels) and queries apart."""

# -- the feed ----------------------------------------------------------------------------

QUOTES = counter("arb_quotes_received_total", "Book frames the broker sent.", VENUE, read=True)
FRAMES_REFUSED = counter(
    "arb_frames_refused_total", "Book frames that are no book, by what is wrong with them.",
    VENUE, Label("trouble", tuple(BookTrouble)), read=True,
)  # fmt: skip
PUBLISHED = counter("arb_quotes_published_total", "Books written to Redis.", read=True)
CONFLATED = counter(
    "arb_quotes_conflated_total", "Books replaced by a newer one before they were written.", read=True
)
QUOTE_AGE = gauge(
    "arb_quote_age_seconds",
    Unit.SECONDS,
    "Age of the newest book of a venue; absent before the first.",
    VENUE,
)
FEED_ALIVE = gauge("arb_feed_alive", Unit.FLAG, "Whether books of a venue that trades keep coming.", VENUE)
CODES = gauge("arb_subscribed_codes", Unit.COUNT, "Feed codes registered with the broker, both venues.")
HALTED_SYMBOLS = gauge(
    "arb_halted_symbols", Unit.COUNT, "Symbols that cannot trade on a venue, by why.",
    VENUE, Label("kind", tuple(HaltKind)),
)  # fmt: skip
TIME_APART = gauge(
    "arb_exchange_time_apart_seconds", Unit.SECONDS,
    "Market time less the exchange's own stamp on the newest book that agrees best; absent before the first.",
    VENUE,
)  # fmt: skip

# -- the day -----------------------------------------------------------------------------

PHASE = gauge(
    "arb_session_phase", Unit.FLAG, "What each venue is doing now.",
    VENUE, Label("phase", tuple(SessionPhase)),
)  # fmt: skip
WINDOW = gauge(
    "arb_entry_window_open", Unit.FLAG, "Whether entries are allowed by timetable and market status."
)
MARKET_TIME = gauge(
    "arb_market_time_seconds", Unit.SECONDS, "Time of day at the exchange, seconds since midnight KST."
)

TABLE_LEFT = gauge(
    "arb_dated_table_left_seconds", Unit.SECONDS,
    "How long the dates of a table are known for, from the trading date on; negative past its end.",
    Label("table"),
)  # fmt: skip
PROVISIONAL = gauge(
    "arb_date_provisional", Unit.FLAG,
    "Whether costs or calendar of the trading date are computed by the last known rule.",
    Label("subject", tuple(DateSubject)),
)  # fmt: skip

# -- the connection ----------------------------------------------------------------------

MODE = gauge(
    "arb_gateway_mode", Unit.FLAG, "Whether orders are impossible, simulated or real.",
    Label("mode", tuple(GatewayMode)),
)  # fmt: skip
CONNECTION = gauge(
    "arb_connection_state", Unit.FLAG, "The connection to the broker.", Label("state", tuple(ConnectionState))
)
CONNECTIONS = counter(
    "arb_connections_total", "Logins that became ready to trade; after the first, reconnects."
)
DISCONNECTS = counter("arb_disconnects_total", "Connections lost.", Label("planned", ("yes", "no")))
CONTROL_FAILURES = counter(
    "arb_control_event_failures_total", "Events of the broker's control that could not be read.", read=True
)

# -- orders ------------------------------------------------------------------------------

REQUESTS = counter(
    "arb_order_requests_total", "Requests handed to SendOrder and taken by the control.",
    Label("action", ("new", "amend", "cancel")),
)  # fmt: skip
ORDERS_SENT = counter("arb_orders_sent_total", "New orders sent.", VENUE, SIDE, PURPOSE)
OUTCOMES = counter(
    "arb_order_outcomes_total",
    "What became of new orders: filled whole or in part, closed without a fill, rejected by the broker, or "
    "found never to have arrived.",
    VENUE, PURPOSE,
    Label("outcome", ("filled", "partly_filled", "unfilled", "rejected", "never_arrived")),
)  # fmt: skip
BECAME_UNKNOWN = counter(
    "arb_orders_became_unknown_total", "Orders of which nobody knew for a time whether they arrived."
)
UNKNOWN = gauge("arb_unknown_orders", Unit.COUNT, "Orders of which nobody knows now whether they arrived.")
WORKING = gauge("arb_working_orders", Unit.COUNT, "Orders at the broker that may still fill.")
FILLS = counter("arb_fills_total", "Executions.", VENUE, SIDE)
FILLED_SHARES = counter("arb_filled_shares_total", "Shares executed.", VENUE, SIDE, unit=Unit.SHARES)
FILLED_KRW = counter("arb_filled_krw_total", "Value executed.", VENUE, SIDE, unit=Unit.KRW)
SEND_REFUSED = counter(
    "arb_send_order_refused_total", "SendOrder calls that returned an error, by the broker's code.",
    Label("code"),
)  # fmt: skip
WORDS_UNKNOWN = counter(
    "arb_broker_words_unknown_total", "Words and codes of the broker that no closed list has, by list.",
    Label("list"),
)  # fmt: skip
CANCELS_REJECTED = counter("arb_cancels_rejected_total", "Cancels and amendments that the broker refused.")
COMMANDS_DENIED = counter(
    "arb_commands_denied_total", "Commands refused at the last gate, unsent.",
    Label("reason", tuple(GateReason)),
)  # fmt: skip
FOREIGN = gauge("arb_foreign_orders", Unit.COUNT, "Orders of today in the account that are not ours.")
SYNC = histogram(
    "arb_intention_sync_seconds", Unit.SECONDS, COMMIT_S,
    "Writing an intention to disk, before SendOrder is called.",
)  # fmt: skip
SEND_CALL = histogram("arb_send_order_seconds", Unit.SECONDS, COMMIT_S, "The call of SendOrder itself.")

# -- what market surveillance looks at (market rules 6) --------------------------------

ORDER_TO_TRADE = gauge(
    "arb_order_to_trade_ratio", Unit.RATIO,
    "Order requests of the day (new, amended, cancelled) for each order that traded; the requests themselves "
    "while none has.",
)  # fmt: skip
ONE_SHARE = counter(
    "arb_one_share_fills_total", "Executions of a single share, which surveillance counts.", VENUE
)
CANCEL_RATIO = gauge(
    "arb_cancel_ratio", Unit.RATIO, "Share of the day's new orders that a cancel was sent after."
)

# -- the broker's limits -----------------------------------------------------------------

CALLS = counter(
    "arb_broker_calls_total",
    "Calls that count against the broker's limits; a cancel is one.",
    CALL,
    read=True,
)
TOKENS = gauge(
    "arb_broker_tokens", Unit.COUNT, "Calls that could be made at once, by each window of the limit.",
    CALL, Label("window", ("1s", "3m", "1h")),
)  # fmt: skip
TOKENS_MAX = gauge(
    "arb_broker_tokens_max", Unit.COUNT, "The limit itself: tokens left when nothing was sent.",
    CALL, Label("window", ("1s", "3m", "1h")),
)  # fmt: skip
MOST_IN_WINDOW = gauge(
    "arb_orders_in_window_max", Unit.COUNT, "The most order calls that any 1.1 s has held since the start."
)
QUERY = histogram("arb_query_seconds", Unit.SECONDS, LATENCY_S, "From a query to its answer's last page.")
QUERY_FAILURES = counter(
    "arb_query_failures_total", "Queries refused, unanswered in time or answered without an end."
)
EXITS_OWED = gauge(
    "arb_exits_owed_pairs", Unit.COUNT, "Pairs that order tokens are kept for, so that they can be sold."
)

# -- stops -------------------------------------------------------------------------------

LEASE_LEFT = gauge(
    "arb_lease_left_seconds", Unit.SECONDS, "How long the trading lease still holds; 0 where it does not."
)
LEASE_HELD = gauge("arb_lease_held", Unit.FLAG, "Whether the trading lease is held.")
HALT_FILE = gauge("arb_halt_file", Unit.FLAG, "Whether a HALT file lies beside the gateway.")
HALTED = gauge("arb_gateway_halted", Unit.FLAG, "Whether the gateway obeys a halt.")
RESTRICTED = gauge(
    "arb_orders_restricted", Unit.FLAG, "Whether the broker has refused orders altogether on this connection."
)

SUPERVISOR_AGE = gauge(
    "arb_supervisor_look_age_seconds", Unit.SECONDS,
    "How long ago the supervisor looked at the gateway; absent where none ever did.",
    left_out="an alert watches it, and `arb status` shows the supervisor",
)  # fmt: skip

# -- stream and broker -------------------------------------------------------------------

RECONCILED = gauge(
    "arb_reconciled", Unit.FLAG, "Whether stream and broker were compared since the connection began."
)
RECONCILIATIONS = counter(
    "arb_reconciliations_total", "Comparisons of orders and holdings with the broker's.",
    Label("result", ("agrees", "differs")),
)  # fmt: skip
DIFFERENCES = counter("arb_reconciliation_differences_total", "Differences that those comparisons found.")
QUEUE = gauge(
    "arb_gateway_queue_entries", Unit.COUNT,
    "What waits in the gateway: commands for a token, facts of the control, entries read, books and batches "
    "to be written.",
    Label("queue", ("commands", "facts", "inbox", "quotes", "batches")),
)  # fmt: skip
