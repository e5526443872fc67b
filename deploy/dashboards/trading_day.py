"""The trading day: is all well, what do the spreads do, which pairs are open, what was earned."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, glance, panels
from deploy.dashboards.board import GROUP, SYMBOL, VENUE, Section, board
from deploy.dashboards.panels import BLUE, GREEN, GREY, ORANGE, RED, YELLOW, Column, TablePanel
from deploy.dashboards.promql import code_of, increase, most, of, or_other, quantile, rate, total
from services.contracts.measures import detector, executor, gateway, risk
from services.contracts.reasons import DenialReason
from services.contracts.terms import SessionPhase, TradingState

MOVED_LAST = ("moved_last",)
CHOSEN = {"group": "$group", "symbol": "$symbol"}


def made() -> dashboard.Dashboard:
    return board(
        addresses.TRADING_DAY,
        "Trading day",
        "Is all well? The first row says it in words. Below: spreads, pairs, money, what held when.",
        (GROUP, SYMBOL, VENUE),
        (_at_a_glance(), _spreads(), _crosses(), _pairs(), _money(), _states()),
    )


def _at_a_glance() -> Section:
    first = (
        glance.trading(),
        glance.lease(),
        glance.feed(),
        glance.services(),
        glance.uncovered(),
        glance.stranded(),
        glance.loss(),
        glance.alerts(),
    )
    second = (
        glance.mode(),
        glance.window(),
        glance.broker(),
        glance.latches(),
        glance.unknown_orders(),
        glance.open_pairs(),
        glance.profit(),
        glance.best_edge(),
    )
    return Section("Is all well?", 4, [(3, panel) for panel in (*first, *second)])


def _spreads() -> Section:
    edge = panels.line_panel(
        "Net edge, ten best symbols",
        "What the better direction of a symbol would earn after all costs. Above zero it pays; intents start "
        "at the buffer above that.",
        {"{{symbol}}": f"topk(10, {of(detector.NET_EDGE, **CHOSEN)})"},
        panels.BPS,
        steps=((None, GREY), (0, GREEN)),
        zero=False,
    )
    crosses = panels.line_panel(
        "Crosses",
        "Directions that pay now, and those too good to be true.",
        {
            "open": total(of(detector.CROSSES_OPEN, group="$group")),
            "beyond the ceiling": total(of(detector.CROSSES_BEYOND, group="$group")),
        },
        panels.COUNT,
    )
    quoted = panels.line_panel(
        "Symbols with books on both venues",
        "Fewer than the map names: not eligible on NXT today, halted, or not quoted yet.",
        {
            "watched {{group}}": total(of(detector.SYMBOLS, group="$group"), ("group",)),
            "quoted {{group}}": total(of(detector.QUOTED, group="$group"), ("group",)),
        },
        panels.COUNT,
    )
    return Section("Spreads", 10, [(14, edge), (10, _symbols()), (10, _groups()), (7, crosses), (7, quoted)])


def _groups() -> TablePanel:
    by = ("group",)
    return panels.table_panel(
        "Groups",
        "One detector each. Click a group to see only its symbols.",
        "group",
        (
            Column("Symbols", total(of(detector.SYMBOLS), by), panels.COUNT),
            Column("Quoted", total(of(detector.QUOTED), by), panels.COUNT),
            Column("Open crosses", total(of(detector.CROSSES_OPEN), by), panels.COUNT),
            Column("Books", rate(detector.QUOTES_HANDLED, by), panels.PER_SECOND, decimals=0),
            Column(
                "Missed",
                rate(detector.QUOTES_MISSED, by),
                panels.PER_SECOND,
                decimals=1,
                steps=((None, GREY), (1, YELLOW)),
            ),
        ),
        links={"This group": addresses.to(addresses.TRADING_DAY, group=addresses.field("group"))},
        sort_by="group",
        descending=False,
    )


def _symbols() -> TablePanel:
    by = ("symbol",)
    return panels.table_panel(
        "Symbols",
        "Every watched symbol, the best edge first. Click a symbol for its own page.",
        "symbol",
        (
            Column(
                "Edge",
                most(of(detector.NET_EDGE, **CHOSEN), by),
                panels.BPS,
                decimals=0,
                steps=((None, GREY), (0, GREEN), (300, RED)),
            ),
            Column(
                "Age",
                most(of(detector.SPREAD_AGE, **CHOSEN), by),
                panels.SECONDS,
                decimals=1,
                steps=((None, GREEN), (2, YELLOW), (10, GREY)),
            ),
            Column("Crosses", increase(detector.CROSSES, by, **CHOSEN), panels.COUNT, decimals=0),
            Column("Intents", increase(detector.INTENTS, by, **CHOSEN), panels.COUNT, decimals=0),
            Column("Approved", increase(risk.APPROVALS, by, symbol="$symbol"), panels.COUNT, decimals=0),
            Column(
                "Profit",
                total(of(risk.SYMBOL_PNL, symbol="$symbol"), by),
                panels.KRW,
                decimals=0,
                steps=((None, RED), (0, GREEN)),
            ),
        ),
        links={"This symbol": addresses.to(addresses.SYMBOL, symbol=addresses.field("symbol"))},
        sort_by="Edge",
    )


def _pairs() -> Section:
    phases = panels.line_panel(
        "Pairs by what they do",
        "Buying and selling last about a second; flattening is a residual.",
        {"{{phase}}": total(of(executor.PAIRS), ("phase",))},
        panels.COUNT,
        stacked=True,
    )
    flow = panels.line_panel(
        "From cross to pair",
        "Crosses that ended, intents, approvals and closed pairs a minute.",
        {
            "crosses": f"60 * {rate(detector.CROSSES, **CHOSEN)}",
            "intents": f"60 * {rate(detector.INTENTS, **CHOSEN)}",
            "approved": f"60 * {rate(risk.APPROVALS, symbol='$symbol')}",
            "closed": f"60 * {rate(executor.PAIRS_CLOSED)}",
        },
        "suffix:/min",
    )
    closed = panels.bar_panel(
        "Pairs closed, by outcome",
        "Over the time shown. `stopped` and `claimed` had a person or a limit in them.",
        increase(executor.PAIRS_CLOSED, ("outcome",)),
        panels.COUNT,
        legend="{{outcome}}",
    )
    denied = panels.bar_panel(
        "Intents denied, by reason",
        "Over the time shown; the reasons are explained in docs/ARCHITECTURE.md.",
        f"topk(12, {increase(risk.DENIALS, ('reason',))})",
        panels.COUNT,
        legend="{{reason}}",
    )
    return Section("Pairs", 9, [(12, phases), (12, flow), (12, closed), (12, denied)])


def _crosses() -> Section:
    crosses = panels.line_panel(
        "How long crosses last",
        "Half of all crosses above cost are shorter than the lower line. The order "
        "budget needs a few tenths of a second.",
        {
            "p50": quantile(0.5, detector.CROSS_DURATION, group="$group", window="5m"),
            "p90": quantile(0.9, detector.CROSS_DURATION, group="$group", window="5m"),
        },
        panels.SECONDS,
    )
    peak = panels.line_panel(
        "What crosses would have earned",
        "At the size that was executable at their best.",
        {
            "p50": quantile(0.5, detector.CROSS_PEAK, group="$group", window="5m"),
            "p90": quantile(0.9, detector.CROSS_PEAK, group="$group", window="5m"),
        },
        panels.KRW,
    )
    size = panels.line_panel(
        "How large crosses are",
        "Shares that were executable at a cross's best.",
        {
            "p50": quantile(0.5, detector.CROSS_SIZE, group="$group", window="5m"),
            "p90": quantile(0.9, detector.CROSS_SIZE, group="$group", window="5m"),
        },
        panels.GRAFANA_UNITS[detector.CROSS_SIZE.unit],
    )
    by_side = panels.line_panel(
        "How long crosses last, by the quote that moved last",
        "The median, and the least age at which intents are spoken of them: the other quote may be stale.",
        {
            "{{moved_last}}": quantile(0.5, detector.CROSS_DURATION, MOVED_LAST, "5m", group="$group"),
            "{{moved_last}}, intents": quantile(0.5, detector.CROSS_AGE, MOVED_LAST, "5m", group="$group"),
        },
        panels.SECONDS,
    )
    kept_back = panels.line_panel(
        "Crosses that the entry rule left",
        "A minute: crosses that ended too young, and intents that risk denied by age or by the other side.",
        {
            "too young, {{moved_last}} moved last": f"60 * {rate(detector.CROSSES_TOO_YOUNG, MOVED_LAST)}",
            "denied: cross_age": f"60 * {rate(risk.DENIALS, reason=DenialReason.CROSS_AGE)}",
            "denied: moved_last": f"60 * {rate(risk.DENIALS, reason=DenialReason.MOVED_LAST)}",
        },
        "suffix:/min",
    )
    rows = [(8, crosses), (8, peak), (8, size), (12, by_side), (12, kept_back)]
    return Section("Crosses", 9, rows)


def _money() -> Section:
    profit = panels.line_panel(
        "Profit",
        "Realised after all costs, and with positions marked at the better bid.",
        {
            "realised": total(of(risk.REALISED)),
            "with what is held": f"{total(of(risk.REALISED))} + {total(of(risk.MARKED))}",
        },
        panels.KRW,
        zero=False,
    )
    costs = panels.line_panel(
        "Costs",
        "Commission and sell tax as the broker reports them.",
        {"commission": total(of(risk.COMMISSION)), "tax": total(of(risk.TAX))},
        panels.KRW,
        stacked=True,
    )
    account = panels.line_panel(
        "Account",
        "The change of cash since the day's first report must follow realised profit, apart from "
        "what is open.",
        {"change of cash": total(of(risk.CASH_CHANGE)), "realised": total(of(risk.REALISED))},
        panels.KRW,
        zero=False,
    )
    turnover = panels.stat_panel(
        "Turnover",
        "Bought and sold today.",
        total(of(risk.TURNOVER)),
        panels.KRW,
        ((None, BLUE),),
        decimals=0,
    )
    trips = panels.stat_panel(
        "Trips", "Pairs with a fill today.", total(of(risk.TRIPS)), panels.COUNT, ((None, BLUE),)
    )
    orders = panels.stat_panel(
        "Orders", "Orders today, each id once.", total(of(risk.ORDERS)), panels.COUNT, ((None, BLUE),)
    )
    cash = panels.stat_panel(
        "Cash",
        "As the broker last reported it.",
        total(of(risk.CASH)),
        panels.KRW,
        ((None, BLUE),),
        decimals=0,
    )
    above = [(8, profit), (8, costs), (8, account)]
    return Section("Money", 8, [*above, (6, turnover), (6, trips), (6, orders), (6, cash)])


def _states() -> Section:
    state = panels.timeline_panel(
        "Trading state",
        "What the desk allowed, and when.",
        code_of(risk.STATE, "state", TradingState),
        glance.STATE_WORDS,
        legend="trading",
    )
    phases = panels.timeline_panel(
        "Phases of the venues",
        "What each venue did: only where both are green can a pair be opened.",
        code_of(gateway.PHASE, "phase", SessionPhase, ("venue",)),
        glance.PHASE_WORDS,
        legend="{{venue}}",
    )
    gates = panels.timeline_panel(
        "What stood against new pairs",
        "Gates open by themselves, latches by a person.",
        or_other(
            f"{total(of(risk.GATE_CLOSED), ('gate',))} or ({total(of(risk.LATCH), ('latch',))} > 0)",
            "gate",
            "all others",
        ),
        {0: ("open", GREEN), 1: ("CLOSED", ORANGE)},
        legend="{{gate}}{{latch}}",
    )
    market = panels.stat_panel(
        "Exchange time",
        "Time of day at the exchange, KST; in a simulated day it runs faster.",
        most(of(gateway.MARKET_TIME)),
        "dthms",
        ((None, BLUE),),
    )
    return Section("What held when", 8, [(24, state), (24, phases), (18, gates), (6, market)])
