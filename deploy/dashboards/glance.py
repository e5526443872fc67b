"""The words of the first rows: what a person on call reads in five seconds."""

from typing import Final

from grafana_foundation_sdk.builders import stat

from deploy.dashboards import panels, recorded
from deploy.dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW
from deploy.dashboards.promql import code_of, most, of, or_zero, total
from services.contracts.measures import detector, executor, gateway, notifier, risk
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import GatewayMode, SessionPhase, TradingState

STATE_WORDS: Final = panels.words_of(
    TradingState,
    {
        TradingState.ARMED: GREEN,
        TradingState.PAUSE_ENTRY: YELLOW,
        TradingState.REDUCE_ONLY: ORANGE,
        TradingState.HALTED: RED,
        TradingState.DISARMED: GREY,
    },
)
PHASE_WORDS: Final = panels.words_of(
    SessionPhase,
    {
        SessionPhase.CONTINUOUS: GREEN,
        SessionPhase.PRE_MARKET: GREEN,
        SessionPhase.AFTER_MARKET: GREEN,
        SessionPhase.PAUSE: YELLOW,
        SessionPhase.OPENING_AUCTION: BLUE,
        SessionPhase.CLOSING_AUCTION: BLUE,
        SessionPhase.CLOSING_PRICE: "purple",
        SessionPhase.AFTER_INTAKE: "purple",
    },
    none="UNKNOWN",
)
CONNECTION_WORDS: Final = panels.words_of(
    ConnectionState, {state: GREEN if state == "ready" else ORANGE for state in ConnectionState}
)
MODE_WORDS: Final = panels.words_of(
    GatewayMode, {GatewayMode.OBSERVE: BLUE, GatewayMode.SIMULATED: "purple", GatewayMode.LIVE: GREEN}
)
NONE_OR_RED: Final = ((None, GREEN), (1, RED))


def trading() -> stat.Panel:
    return panels.word_panel(
        "Trading",
        "The trading state in force. Red: halted, or risk says nothing. `arb status` says why.",
        or_zero(code_of(risk.STATE, "state", TradingState)),
        STATE_WORDS,
    )


def lease() -> stat.Panel:
    return panels.word_panel(
        "Lease",
        "Whether the gateway holds risk's trading lease. Without it no entry leaves; lapsed for 3 s, "
        "open entry orders are cancelled.",
        or_zero(f"sum({of(gateway.LEASE_HELD)}) + 1"),
        {0: ("SILENT", RED), 1: ("LAPSED", RED), 2: ("HELD", GREEN)},
    )


def feed() -> stat.Panel:
    trading_now = f"max({recorded.VENUE_TRADES})"
    alive = f"min({of(gateway.FEED_ALIVE)} and on (venue) ({recorded.VENUE_TRADES} == 1))"
    return panels.word_panel(
        "Feed",
        "Books of every venue that trades now keep coming. STALE: a venue trades and is not heard.",
        or_zero(f"({alive} + 2) or ({trading_now} == 0) + 1"),
        {0: ("SILENT", RED), 1: ("CLOSED", GREY), 2: ("STALE", RED), 3: ("LIVE", GREEN)},
    )


def services() -> stat.Panel:
    return panels.stat_panel(
        "Services down",
        "Processes that do not answer Prometheus, or are missing altogether.",
        or_zero(recorded.SERVICES_DOWN),
        panels.COUNT,
        NONE_OR_RED,
    )


def uncovered() -> stat.Panel:
    return panels.stat_panel(
        "Uncovered",
        "Bought and not yet sold, at cost. For about a second in each clip this is normal; red "
        "is more than the clips of two pairs.",
        or_zero(total(of(executor.UNCOVERED_KRW))),
        panels.KRW,
        ((None, GREEN), (1, YELLOW), (10_000_000, RED)),
        decimals=0,
    )


def stranded() -> stat.Panel:
    return panels.stat_panel(
        "Stranded",
        "Positions that could not be sold: a person is needed. `arb residual list`.",
        or_zero(total(of(executor.STRANDED))),
        panels.COUNT,
        NONE_OR_RED,
    )


def loss() -> stat.Panel:
    return panels.stat_panel(
        "Loss of limit",
        "The day's loss, positions marked at the better bid, as a share of max_daily_loss_krw. "
        "At 100 % entries stop.",
        or_zero(recorded.LOSS_USED),
        panels.PERCENT,
        ((None, GREEN), (0.5, YELLOW), (0.8, RED)),
        decimals=0,
    )


def alerts() -> stat.Panel:
    return panels.stat_panel(
        "Alerts firing",
        "Critical and warning alerts now. The list: Alerting, or Prometheus /alerts; what to "
        "do stands in the runbook.",
        'count(ALERTS{alertstate="firing", severity=~"critical|warning"}) or vector(0)',
        panels.COUNT,
        ((None, GREEN), (1, ORANGE)),
    )


def mode() -> stat.Panel:
    return panels.word_panel(
        "Mode",
        "Whether this gateway's orders are impossible, simulated, or real money.",
        or_zero(code_of(gateway.MODE, "mode", GatewayMode)),
        MODE_WORDS,
    )


def window() -> stat.Panel:
    return panels.word_panel(
        "Entry window",
        "Whether timetable and market status allow entries now.",
        or_zero(f"sum({of(gateway.WINDOW)}) + 1"),
        {0: ("SILENT", RED), 1: ("CLOSED", GREY), 2: ("OPEN", GREEN)},
    )


def broker() -> stat.Panel:
    return panels.word_panel(
        "Broker",
        "The connection to the broker's server. It is cut every night, on purpose.",
        or_zero(code_of(gateway.CONNECTION, "state", ConnectionState)),
        CONNECTION_WORDS,
    )


def latches() -> stat.Panel:
    return panels.stat_panel(
        "Latches",
        "Stops that only a person lifts: `arb latch clear NAME --reason ...` once the cause is mended.",
        or_zero(total(of(risk.LATCH))),
        panels.COUNT,
        NONE_OR_RED,
    )


def unknown_orders() -> stat.Panel:
    return panels.stat_panel(
        "Unknown orders",
        "Orders of which nobody knows whether they arrived. Seconds are normal after a lost "
        "reply; the broker's records settle it.",
        or_zero(total(of(gateway.UNKNOWN))),
        panels.COUNT,
        ((None, GREEN), (1, ORANGE)),
    )


def open_pairs() -> stat.Panel:
    return panels.stat_panel(
        "Open pairs",
        "Pairs approved and not closed.",
        or_zero(total(of(risk.OPEN_PAIRS))),
        panels.COUNT,
        ((None, BLUE),),
    )


def profit() -> stat.Panel:
    return panels.stat_panel(
        "Profit today",
        "For good, after commission and tax as the broker reports them.",
        or_zero(total(of(risk.REALISED))),
        panels.KRW,
        ((None, RED), (0, GREEN)),
        decimals=0,
    )


def best_edge() -> stat.Panel:
    return panels.stat_panel(
        "Best net edge",
        "The best symbol's edge now after all costs. Above zero something pays.",
        most(of(detector.NET_EDGE)),
        panels.BPS,
        ((None, GREY), (0, GREEN), (300, RED)),
        decimals=0,
    )


def unacknowledged() -> stat.Panel:
    return panels.stat_panel(
        "Unacknowledged",
        "Critical alerts of the services that nobody has acknowledged: `arb ack ID`.",
        or_zero(total(of(notifier.UNACKNOWLEDGED))),
        panels.COUNT,
        NONE_OR_RED,
    )


def reconciled() -> stat.Panel:
    return panels.word_panel(
        "Books",
        "Whether stream and broker were compared since the connection began.",
        or_zero(f"sum({of(gateway.RECONCILED)}) + 1"),
        {0: ("SILENT", RED), 1: ("NOT COMPARED", ORANGE), 2: ("COMPARED", GREEN)},
    )
