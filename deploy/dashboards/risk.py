"""Risk and limits: how much of each limit is used, what stands against trading, why intents are denied."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, glance, panels, recorded
from deploy.dashboards.board import SYMBOL, Section, board
from deploy.dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Column
from deploy.dashboards.promql import code_of, increase, most, of, or_other, or_zero, rate, total
from services.contracts.measures import executor, risk
from services.contracts.terms import TradingState

USED = ((None, GREEN), (0.7, YELLOW), (0.9, RED))


def limit(name: str) -> str:
    """Return the query of one trading limit. `name` is a field of TradingLimits."""
    return total(of(risk.LIMIT, limit=name))


def made() -> dashboard.Dashboard:
    return board(
        addresses.RISK,
        "Risk and limits",
        "How much of each limit is used, what stands against trading, why intents are denied.",
        (SYMBOL,),
        (_at_a_glance(), _exposure(), _verdicts(), _states(), _limits()),
    )


def _at_a_glance() -> Section:
    exposure = panels.stat_panel(
        "Exposure of limit",
        "Worst case of everything open, as a share of max_exposure_total_krw.",
        or_zero(recorded.EXPOSURE_USED),
        panels.PERCENT,
        USED,
        decimals=0,
    )
    pairs = panels.stat_panel(
        "Open pairs of limit",
        "Of max_open_pairs.",
        or_zero(f"{total(of(risk.OPEN_PAIRS))} / {limit('max_open_pairs')}"),
        panels.PERCENT,
        ((None, GREEN), (1, YELLOW)),
        decimals=0,
    )
    errors = panels.stat_panel(
        "Errors of limit",
        "The broker's refusals and unknown orders of the last minute, of "
        "max_errors_per_minute: beyond it trading latches.",
        or_zero(f"{total(of(risk.BROKER_ERRORS))} / {limit('max_errors_per_minute')}"),
        panels.PERCENT,
        USED,
        decimals=0,
    )
    cash = panels.stat_panel(
        "Cash for a new pair",
        "Orderable at 100 % margin, less what open pairs may still need.",
        or_zero(total(of(risk.CASH_LEFT))),
        panels.KRW,
        ((None, RED), (1_000_000, GREEN)),
        decimals=0,
    )
    paused = panels.stat_panel(
        "Paused symbols",
        "By a person, or by an order nobody knows: `arb symbols resume`.",
        or_zero(total(of(risk.PAUSED))),
        panels.COUNT,
        ((None, GREEN), (1, ORANGE)),
    )
    first = (glance.trading(), glance.latches(), glance.loss(), exposure, pairs, errors, cash, paused)
    return Section("At a glance", 4, [(3, panel) for panel in first])


def _exposure() -> Section:
    whole = panels.line_panel(
        "Exposure",
        "Held at cost, and what may still be bought; the limit above it.",
        {
            "worst case": total(of(risk.EXPOSURE)),
            "limit": limit("max_exposure_total_krw"),
            "uncovered": total(of(executor.UNCOVERED_KRW)),
        },
        panels.KRW,
    )
    by_symbol = panels.line_panel(
        "Exposure by symbol",
        "Only symbols with something open.",
        {
            "{{symbol}}": or_other(
                total(of(risk.SYMBOL_EXPOSURE, symbol="$symbol"), ("symbol",)), "symbol", "others"
            )
        },
        panels.KRW,
        stacked=True,
    )
    loss = panels.line_panel(
        "Profit against the loss limit",
        "With positions marked at the better bid. Below the line entries stop.",
        {
            "profit": f"{total(of(risk.REALISED))} + {total(of(risk.MARKED))}",
            "limit": f"-1 * {limit('max_daily_loss_krw')}",
        },
        panels.KRW,
        zero=False,
    )
    used = panels.line_panel(
        "Limits used",
        "Shares of the limits on exposure and on the day's loss.",
        {"exposure": recorded.EXPOSURE_USED, "loss": recorded.LOSS_USED},
        panels.PERCENT,
        steps=((None, GREEN), (0.7, YELLOW), (1, RED)),
    )
    return Section("Exposure and loss", 9, [(12, whole), (12, by_symbol), (12, loss), (12, used)])


def _verdicts() -> Section:
    verdicts = panels.line_panel(
        "Verdicts",
        "Intents judged, and pairs approved, a minute.",
        {
            "judged": f"60 * {rate(risk.INTENTS_JUDGED)}",
            "approved": f"60 * {rate(risk.APPROVALS, symbol='$symbol')}",
        },
        "suffix:/min",
    )
    denials = panels.line_panel(
        "Denials",
        "A minute, by reason; only those that happen.",
        {"{{reason}}": or_other(f"60 * {rate(risk.DENIALS, ('reason',))} > 0", "reason", "others")},
        "suffix:/min",
        stacked=True,
    )
    return Section("Verdicts", 9, [(12, verdicts), (12, denials)])


def _states() -> Section:
    state = panels.timeline_panel(
        "Trading state",
        "What the desk allowed, and when.",
        code_of(risk.STATE, "state", TradingState),
        glance.STATE_WORDS,
        legend="trading",
    )
    latches = panels.timeline_panel(
        "Latches",
        "Stops that only a person lifts.",
        total(of(risk.LATCH), ("latch",)),
        {0: ("open", GREEN), 1: ("LATCHED", RED)},
        legend="{{latch}}",
    )
    changes = panels.bar_panel(
        "Changes of the trading state",
        "Over the time shown, by the state gone to; and requests to arm that were not obeyed.",
        f"{increase(risk.STATE_CHANGES, ('state',))} or "
        f'label_replace({increase(risk.ARMING_REFUSED)}, "state", "arming refused", "", "")',
        panels.COUNT,
        legend="{{state}}",
    )
    beats = panels.line_panel(
        "Heartbeats",
        "Age of each service's last heartbeat as risk heard it; beyond 5 s a needed service closes a gate.",
        {"{{name}}": most(of(risk.HEARTBEAT_AGE), ("name",))},
        panels.SECONDS,
        steps=((None, GREEN), (5, RED)),
    )
    leases = panels.line_panel(
        "Lease renewals",
        "A second; 2.5 is right (one in 400 ms).",
        {"renewals": rate(risk.LEASES)},
        panels.PER_SECOND,
    )
    return Section(
        "What stands against trading", 8, [(12, state), (12, latches), (8, changes), (8, beats), (8, leases)]
    )


def _limits() -> Section:
    table = panels.table_panel(
        "Limits in force",
        "As risk published them, in the unit that the name ends in. `arb limits set NAME "
        "VALUE --reason ...`.",
        "limit",
        (Column("Value", most(of(risk.LIMIT), ("limit",)), "locale", steps=((None, BLUE),)),),
        links={},
        sort_by="limit",
        descending=False,
    )
    symbols = panels.table_panel(
        "Symbols with a result",
        "Profit of the closed pairs of the day, the worst first.",
        "symbol",
        (
            Column(
                "Profit",
                total(of(risk.SYMBOL_PNL, symbol="$symbol"), ("symbol",)),
                panels.KRW,
                decimals=0,
                steps=((None, RED), (0, GREEN)),
            ),
            Column(
                "Approved",
                increase(risk.APPROVALS, ("symbol",), symbol="$symbol"),
                panels.COUNT,
                decimals=0,
                steps=((None, GREY),),
            ),
        ),
        links={"This symbol": addresses.to(addresses.SYMBOL, symbol=addresses.field("symbol"))},
        sort_by="Profit",
        descending=False,
    )
    return Section("Limits", 12, [(12, table), (12, symbols)])
