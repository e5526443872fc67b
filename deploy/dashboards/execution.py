"""Execution and latency: from a quote to the broker's answer, what became of orders, how long uncovered."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, panels, recorded
from deploy.dashboards.board import GROUP, VENUE, Section, board
from deploy.dashboards.panels import BLUE, GREEN, ORANGE, RED, YELLOW
from deploy.dashboards.promql import buckets, increase, mean, of, or_other, or_zero, quantile, rate, total
from services.contracts.measures import every, executor, gateway, risk

WINDOW = "5m"
SLOW = ((None, GREEN), (0.3, YELLOW), (0.8, RED))
"""An intent expires after 800 ms (INTENT_TTL_MS)."""


def made() -> dashboard.Dashboard:
    return board(
        addresses.EXECUTION,
        "Execution and latency",
        "How fast a quote becomes an order, what becomes of orders, and how long something stands uncovered.",
        (GROUP, VENUE),
        (
            _at_a_glance(),
            _latency(),
            _orders(),
            _refusals(),
            _positions(),
            _residuals(),
            _surveillance(),
        ),
    )


def _at_a_glance() -> Section:
    half = panels.stat_panel(
        "Quote to order, half",
        "From the newer quote to SendOrder of the first buy: the median of 5 minutes.",
        recorded.TICK_TO_ORDER_P50,
        panels.SECONDS,
        SLOW,
    )
    most = panels.stat_panel(
        "Quote to order, 95 %",
        "19 of 20 are faster. Beyond 0.8 s an intent expires before it is sent.",
        recorded.TICK_TO_ORDER_P95,
        panels.SECONDS,
        SLOW,
    )
    fills = panels.stat_panel(
        "Entries that filled",
        "Of the entry orders of the last hour that came to an end.",
        recorded.FILL_RATIO,
        panels.PERCENT,
        ((None, RED), (0.2, YELLOW), (0.5, GREEN)),
        decimals=0,
    )
    neutral = panels.stat_panel(
        "Time to neutral, mean",
        "From a pair's first fill to flat again, over the time shown.",
        mean(executor.TIME_TO_NEUTRAL),
        panels.SECONDS,
        ((None, GREEN), (5, YELLOW), (30, RED)),
        decimals=1,
    )
    rejected = panels.stat_panel(
        "Rejected",
        "New orders that the broker refused, over the time shown.",
        or_zero(increase(gateway.OUTCOMES, outcome="rejected", venue="$venue")),
        panels.COUNT,
        ((None, GREEN), (1, ORANGE)),
        decimals=0,
    )
    residuals = panels.stat_panel(
        "Residuals",
        "Times shares were bought and not sold in time, over the time shown.",
        or_zero(increase(executor.RESIDUALS)),
        panels.COUNT,
        ((None, GREEN), (1, YELLOW), (10, RED)),
        decimals=0,
    )
    return Section(
        "At a glance", 4, [(4, panel) for panel in (half, most, fills, neutral, rejected, residuals)]
    )


def _latency() -> Section:
    whole = panels.line_panel(
        "Quote to order, quote to answer",
        "The whole way to SendOrder, and on to the broker's acceptance.",
        {
            "order p50": recorded.TICK_TO_ORDER_P50,
            "order p95": recorded.TICK_TO_ORDER_P95,
            "order p99": quantile(0.99, risk.TICK_TO_ORDER, window=WINDOW),
            "answer p50": quantile(0.5, risk.TICK_TO_ANSWER, window=WINDOW),
            "answer p95": quantile(0.95, risk.TICK_TO_ANSWER, window=WINDOW),
        },
        panels.SECONDS,
    )
    hops = panels.line_panel(
        "By hop, 95 %",
        "Which stretch costs the time: publish (book to Redis), intent, verdict, command, "
        "send (waits for a token), acknowledge (the broker).",
        {"{{hop}}": recorded.HOP_P95},
        panels.SECONDS,
    )
    heat = panels.heat_panel(
        "Quote to order", "Every first buy, by how long it took.", buckets(risk.TICK_TO_ORDER), panels.SECONDS
    )
    medians = panels.line_panel(
        "By hop, half",
        "The same hops, the median.",
        {"{{hop}}": quantile(0.5, every.ORDER_PATH, ("hop",), WINDOW)},
        panels.SECONDS,
    )
    delay = panels.line_panel(
        "Quotes, 95 %",
        "From the gateway's stamp on a book to its handling, by who reads it.",
        {"{{service}} {{group}}": quantile(0.95, every.QUOTE_DELAY, ("service", "group"), WINDOW)},
        panels.SECONDS,
    )
    calls = panels.line_panel(
        "At the broker's control, 95 %",
        "Writing the intention to disk comes before SendOrder is called.",
        {
            "intention to disk": quantile(0.95, gateway.SYNC, window=WINDOW),
            "SendOrder": quantile(0.95, gateway.SEND_CALL, window=WINDOW),
            "query": quantile(0.95, gateway.QUERY, window=WINDOW),
        },
        panels.SECONDS,
    )
    return Section(
        "Latency", 9, [(12, whole), (12, hops), (12, heat), (12, medians), (12, delay), (12, calls)]
    )


def _orders() -> Section:
    sent = panels.line_panel(
        "Orders sent",
        "New orders a second, by why they exist. The broker takes five.",
        {"{{purpose}} {{venue}}": rate(gateway.ORDERS_SENT, ("purpose", "venue"), venue="$venue")},
        panels.PER_SECOND,
        stacked=True,
    )
    outcomes = panels.bar_panel(
        "What became of orders",
        "Over the time shown.",
        increase(gateway.OUTCOMES, ("purpose", "outcome"), venue="$venue"),
        panels.COUNT,
        legend="{{purpose}}: {{outcome}}",
    )
    fills = panels.line_panel(
        "Executions",
        "Executions a minute, by side and venue.",
        {"{{side}} {{venue}}": f"60 * {rate(gateway.FILLS, ('side', 'venue'), venue='$venue')}"},
        "suffix:/min",
    )
    shares = panels.line_panel(
        "Shares executed",
        "Over the time shown, bought and sold: they end equal.",
        {"{{side}} {{venue}}": f"{total(of(gateway.FILLED_SHARES, venue='$venue'), ('side', 'venue'))}"},
        panels.GRAFANA_UNITS[gateway.FILLED_SHARES.unit],
        calcs=("lastNotNull",),
    )
    value = panels.line_panel(
        "Value executed",
        "Since the gateway started.",
        {"{{side}} {{venue}}": total(of(gateway.FILLED_KRW, venue="$venue"), ("side", "venue"))},
        panels.KRW,
        calcs=("lastNotNull",),
    )
    requests = panels.line_panel(
        "Requests",
        "Everything handed to SendOrder: new, amended, cancelled.",
        {"{{action}}": rate(gateway.REQUESTS, ("action",))},
        panels.PER_SECOND,
        stacked=True,
    )
    return Section(
        "Orders", 8, [(8, sent), (8, requests), (8, outcomes), (8, fills), (8, shares), (8, value)]
    )


def _refusals() -> Section:
    refused = panels.line_panel(
        "Refused and unclear",
        "In five minutes. Unclear orders are settled from the broker's records, never sent again.",
        {
            "SendOrder refused, code {{code}}": or_other(
                increase(gateway.SEND_REFUSED, ("code",), WINDOW), "code", "none"
            ),
            "became unknown": increase(gateway.BECAME_UNKNOWN, (), WINDOW),
            "cancels rejected": increase(gateway.CANCELS_REJECTED, (), WINDOW),
            "unknown word, {{list}}": or_other(
                increase(gateway.WORDS_UNKNOWN, ("list",), WINDOW), "list", "none"
            ),
        },
        panels.COUNT,
    )
    denied = panels.bar_panel(
        "Refused at the last gate",
        "Commands the gateway did not send, over the time shown, by reason.",
        f"topk(12, {increase(gateway.COMMANDS_DENIED, ('reason',))})",
        panels.COUNT,
        legend="{{reason}}",
    )
    return Section("Refused", 8, [(12, refused), (12, denied)])


def _positions() -> Section:
    uncovered = panels.line_panel(
        "Uncovered",
        "Bought and not yet sold, at cost.",
        {"uncovered": total(of(executor.UNCOVERED_KRW))},
        panels.KRW,
    )
    shares = panels.line_panel(
        "Uncovered shares",
        "The same in shares; residuals as they grow.",
        {
            "uncovered": total(of(executor.UNCOVERED_SHARES)),
            "of residuals, so far": total(of(executor.RESIDUAL_SHARES)),
        },
        panels.GRAFANA_UNITS[executor.UNCOVERED_SHARES.unit],
    )
    ages = panels.line_panel(
        "How long it stands",
        "The oldest pair, and what is uncovered the longest; stranded ones left out.",
        {"oldest pair": of(executor.OLDEST_PAIR), "uncovered": of(executor.UNCOVERED_AGE)},
        panels.SECONDS,
    )
    neutral = panels.line_panel(
        "Time to neutral, time of a pair",
        "From a first fill to flat, and from approval to close.",
        {
            "neutral p50": quantile(0.5, executor.TIME_TO_NEUTRAL, window=WINDOW),
            "neutral p95": quantile(0.95, executor.TIME_TO_NEUTRAL, window=WINDOW),
            "pair p50": quantile(0.5, executor.PAIR_DURATION, window=WINDOW),
            "pair p95": quantile(0.95, executor.PAIR_DURATION, window=WINDOW),
        },
        panels.SECONDS,
    )
    cost = panels.line_panel(
        "Uncovered won-seconds",
        "Of closed pairs, so far: how much stood open, times how long.",
        {"so far": total(of(executor.UNCOVERED_TOTAL))},
        panels.GRAFANA_UNITS[executor.UNCOVERED_TOTAL.unit],
        calcs=("lastNotNull",),
    )
    clips = panels.line_panel(
        "Clips",
        "A minute; and whether the fresh quotes allowed the next one.",
        {
            "clips": f"60 * {rate(executor.CLIPS)}",
            "next clip: {{proceed}}": f"60 * {rate(executor.CLIPS_RECOMPUTED, ('proceed',))}",
        },
        "suffix:/min",
    )
    return Section(
        "Positions", 8, [(8, uncovered), (8, shares), (8, ages), (8, neutral), (8, cost), (8, clips)]
    )


def _residuals() -> Section:
    strandings = panels.bar_panel(
        "Residuals that stranded, by why",
        "Over the time shown.",
        increase(executor.STRANDINGS, ("reason",)),
        panels.COUNT,
        legend="{{reason}}",
    )
    stranded = panels.stat_panel(
        "Stranded",
        "What stranded positions were bought for.",
        or_zero(total(of(executor.STRANDED_KRW))),
        panels.KRW,
        ((None, GREEN), (1, RED)),
        decimals=0,
    )
    doubtful = panels.stat_panel(
        "Doubtful orders",
        "Orders of open pairs of which the executor knows no certain state. While there is "
        "one, nothing more is sold of that pair.",
        or_zero(total(of(executor.DOUBTFUL))),
        panels.COUNT,
        ((None, GREEN), (1, ORANGE)),
    )
    return Section("Residuals", 8, [(12, strandings), (6, stranded), (6, doubtful)])


def _surveillance() -> Section:
    ratio = panels.line_panel(
        "Order-to-trade ratio",
        "Requests for each order that traded. Brokers warn, then refuse, accounts with "
        "a high one, whatever was meant by it.",
        {"requests per traded order": of(gateway.ORDER_TO_TRADE)},
        panels.GRAFANA_UNITS[gateway.ORDER_TO_TRADE.unit],
        steps=((None, GREEN), (5, YELLOW), (20, RED)),
    )
    one_share = panels.line_panel(
        "Executions of one share",
        "So far. Many small prints are a pattern that members must act on.",
        {"{{venue}}": total(of(gateway.ONE_SHARE, venue="$venue"), ("venue",))},
        panels.COUNT,
    )
    cancels = panels.stat_panel(
        "Cancelled",
        "Of the day's new orders, those that a cancel was sent after.",
        of(gateway.CANCEL_RATIO),
        panels.PERCENT,
        ((None, BLUE), (0.3, YELLOW), (0.6, RED)),
        decimals=0,
    )
    return Section("What surveillance looks at", 8, [(10, ratio), (8, one_share), (6, cancels)])
