"""What risk measures: verdicts, exposure, money, the trading state and what stands against it."""

from services.contracts.metric import LATENCY_S, SYMBOL, Label, Unit, counter, gauge, histogram
from services.contracts.reasons import DenialReason
from services.contracts.terms import Latch, TradingState

# -- verdicts ----------------------------------------------------------------------------

INTENTS_JUDGED = counter("arb_intents_judged_total", "Intents that had their verdict.")
APPROVALS = counter("arb_pairs_approved_total", "Pairs approved.", SYMBOL)
DENIALS = counter("arb_intents_denied_total", "Intents denied.", Label("reason", tuple(DenialReason)))
TICK_TO_ORDER = histogram(
    "arb_tick_to_order_seconds", Unit.SECONDS, LATENCY_S,
    "The whole way: from the newer of the two quotes to SendOrder of the first buy.",
)  # fmt: skip
TICK_TO_ANSWER = histogram(
    "arb_tick_to_answer_seconds", Unit.SECONDS, LATENCY_S,
    "The same and on to the broker's acceptance of that buy.",
)  # fmt: skip

# -- the trading state -------------------------------------------------------------------

STATE = gauge(
    "arb_trading_state", Unit.FLAG, "The trading state in force.", Label("state", tuple(TradingState))
)
LATCH = gauge("arb_latch", Unit.FLAG, "Stops that only a person can lift.", Label("latch", tuple(Latch)))
GATE_CLOSED = gauge(
    "arb_gate_closed", Unit.FLAG, "Gates that stand against a new pair now; they open by themselves.",
    Label("gate"),
)  # fmt: skip
ARMING_REFUSED = counter("arb_arming_refused_total", "Requests to arm that were not obeyed.")
STATE_CHANGES = counter(
    "arb_trading_state_changes_total", "Changes of the trading state, by the state gone to.",
    Label("state", tuple(TradingState)),
)  # fmt: skip
PAUSED = gauge("arb_paused_symbols", Unit.COUNT, "Symbols paused by a person or an order nobody knows.")
LEASES = counter("arb_lease_renewals_total", "Renewals of the trading lease.")
HEARTBEAT_AGE = gauge(
    "arb_heartbeat_age_seconds", Unit.SECONDS, "Age of each service's last heartbeat as risk heard it.",
    Label("name"),
)  # fmt: skip

# -- exposure and limits -----------------------------------------------------------------

OPEN_PAIRS = gauge("arb_open_pairs", Unit.COUNT, "Pairs approved and not closed.")
EXPOSURE = gauge(
    "arb_exposure_krw",
    Unit.KRW,
    "Worst case of what is open: held at cost, and what may still be bought.",
)
SYMBOL_EXPOSURE = gauge(
    "arb_symbol_exposure_krw", Unit.KRW, "The same of one symbol; only symbols with something open.", SYMBOL
)
LIMIT = gauge(
    "arb_limit", Unit.COUNT, "Each number of the trading limits in force, in the unit that its name ends in.",
    Label("limit"),
)  # fmt: skip
BROKER_ERRORS = gauge(
    "arb_recent_broker_errors", Unit.COUNT, "The broker's refusals and unknown orders of the last minute."
)

# -- money -------------------------------------------------------------------------------

REALISED = gauge("arb_realised_pnl_krw", Unit.KRW, "The day's profit for good, after all costs.")
SYMBOL_PNL = gauge("arb_symbol_pnl_krw", Unit.KRW, "The same of the closed pairs of one symbol.", SYMBOL)
MARKED = gauge(
    "arb_marked_pnl_krw", Unit.KRW, "What is held now would gain at the better bid, over its cost."
)
COMMISSION = gauge("arb_commission_krw", Unit.KRW, "The day's commission as the broker reports it.")
TAX = gauge("arb_tax_krw", Unit.KRW, "The day's sell tax as the broker reports it.")
TURNOVER = gauge("arb_turnover_krw", Unit.KRW, "Value bought and sold today.")
CASH = gauge("arb_cash_krw", Unit.KRW, "Cash as the broker last reported it; absent before.")
CASH_CHANGE = gauge("arb_cash_change_krw", Unit.KRW, "That cash less the day's first report; absent before.")
CASH_LEFT = gauge(
    "arb_cash_available_krw", Unit.KRW, "What a new pair may spend; absent while the account is unknown."
)
TRIPS = gauge("arb_trips", Unit.COUNT, "Pairs with a fill today.")
ORDERS = gauge("arb_orders", Unit.COUNT, "Orders today, each id once, whatever became of it.")
