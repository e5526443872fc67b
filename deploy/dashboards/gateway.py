"""The gateway: feed, sessions, connection, limits of the broker, orders, and whether the books agree."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, glance, panels
from deploy.dashboards.board import GROUP, VENUE, Panel, Section, board
from deploy.dashboards.panels import GREEN, ORANGE, RED, YELLOW
from deploy.dashboards.promql import code_of, increase, least, most, of, or_zero, rate, total
from services.contracts.measures import detector, every, gateway
from services.contracts.messages.venue_state import ConnectionState
from services.contracts.terms import SessionPhase

YES_IS_BAD = {0: ("no", GREEN), 1: ("YES", RED)}


def made() -> dashboard.Dashboard:
    return board(
        addresses.GATEWAY,
        "Gateway",
        "The Windows machine: feed, sessions, connection, the broker's limits, orders, and whether its books "
        "and ours agree.",
        (VENUE, GROUP),
        (_at_a_glance(), _feed(), _sessions(), _limits(), _orders(), _books()),
    )


def _at_a_glance() -> Section:
    left = panels.stat_panel(
        "Lease left",
        "How long the trading lease still holds; renewed every 0.4 s, good for 2 s.",
        or_zero(most(of(gateway.LEASE_LEFT))),
        panels.SECONDS,
        ((None, RED), (0.5, YELLOW), (1, GREEN)),
        decimals=1,
    )
    file = panels.word_panel(
        "HALT file",
        "A file beside the gateway that stops everything.",
        total(of(gateway.HALT_FILE)),
        YES_IS_BAD,
    )
    halted = panels.word_panel(
        "Halted", "Whether the gateway obeys a halt.", total(of(gateway.HALTED)), YES_IS_BAD
    )
    restricted = panels.word_panel(
        "Orders refused",
        "Whether the broker has refused orders altogether on this connection.",
        total(of(gateway.RESTRICTED)),
        YES_IS_BAD,
    )
    first = (
        glance.mode(),
        glance.broker(),
        glance.feed(),
        left,
        file,
        halted,
        restricted,
        glance.reconciled(),
    )
    return Section("At a glance", 4, [(3, panel) for panel in first])


def _feed() -> Section:
    rates = panels.line_panel(
        "Books received",
        "Frames of the broker a second, by venue.",
        {"{{venue}}": rate(gateway.QUOTES, ("venue",), venue="$venue")},
        panels.PER_SECOND,
    )
    published = panels.line_panel(
        "Books published",
        "Written to Redis, and replaced by a newer one before they were; what detectors "
        "looked at and missed.",
        {
            "published": rate(gateway.PUBLISHED),
            "conflated": rate(gateway.CONFLATED),
            "looked at {{group}}": rate(detector.QUOTES_HANDLED, ("group",), group="$group"),
            "missed {{group}}": rate(detector.QUOTES_MISSED, ("group",), group="$group"),
        },
        panels.PER_SECOND,
    )
    age = panels.line_panel(
        "Age of the newest book",
        "By venue. While a venue trades, seconds are a frozen feed.",
        {"{{venue}}": most(of(gateway.QUOTE_AGE, venue="$venue"), ("venue",))},
        panels.SECONDS,
    )
    alive = panels.timeline_panel(
        "Feed",
        "Whether books of a venue that trades keep coming.",
        least(of(gateway.FEED_ALIVE, venue="$venue"), ("venue",)),
        {0: ("silent", ORANGE), 1: ("alive", GREEN)},
        legend="{{venue}}",
    )
    apart = panels.line_panel(
        "Exchange time",
        "Market time less the exchange's own stamp. Seconds apart, the clock is not trusted.",
        {"{{venue}}": most(of(gateway.TIME_APART, venue="$venue"), ("venue",))},
        panels.SECONDS,
        zero=False,
    )
    codes = panels.line_panel(
        "Feed codes registered",
        "Both venues; the broker takes 100 a screen.",
        {"codes": of(gateway.CODES)},
        panels.COUNT,
    )
    refused = panels.line_panel(
        "Frames refused",
        "In five minutes: frames that are no book, at the gateway by what is wrong, and at each reader.",
        {
            "{{venue}} {{trouble}}": increase(
                gateway.FRAMES_REFUSED, ("venue", "trouble"), "5m", venue="$venue"
            ),
            "{{service}}": increase(every.BOOKS_REFUSED, ("service",), "5m", venue="$venue"),
        },
        panels.COUNT,
    )
    first = [(8, rates), (8, published), (8, age)]
    return Section("Feed", 8, [*first, (6, alive), (6, apart), (6, codes), (6, refused)])


def _sessions() -> Section:
    phases = panels.timeline_panel(
        "Phases of the venues",
        "From the timetable, confirmed or shortened by FID 215.",
        code_of(gateway.PHASE, "phase", SessionPhase, ("venue",)),
        glance.PHASE_WORDS,
        legend="{{venue}}",
    )
    connection = panels.timeline_panel(
        "Connection",
        "To the broker's server.",
        code_of(gateway.CONNECTION, "state", ConnectionState),
        glance.CONNECTION_WORDS,
        legend="broker",
    )
    losses = panels.line_panel(
        "Connections made and lost",
        "So far. Lost on purpose: the nightly cut, a stop. Events that could not "
        "be read are counted with them.",
        {
            "made": total(of(gateway.CONNECTIONS)),
            "lost, planned: {{planned}}": total(of(gateway.DISCONNECTS), ("planned",)),
            "unreadable events": total(of(gateway.CONTROL_FAILURES)),
        },
        panels.COUNT,
    )
    halts = panels.line_panel(
        "Symbols that cannot trade",
        "By venue and why; either venue blocks a symbol on both.",
        {"{{kind}} {{venue}}": total(of(gateway.HALTED_SYMBOLS, venue="$venue"), ("kind", "venue"))},
        panels.COUNT,
    )
    first = [(12, phases), (12, connection), (12, losses), (12, halts)]
    return Section("Sessions and connection", 7, [*first, *_dates()])


def _dates() -> list[tuple[int, Panel]]:
    left = panels.line_panel(
        "Dated tables",
        "How long each is known for, from the trading date on. From 30 days on somebody is told.",
        {"{{table}}": least(of(gateway.TABLE_LEFT), ("table",))},
        panels.SECONDS,
    )
    provisional = panels.timeline_panel(
        "Trading date",
        "Whether it is computed by the last known rules: live trading takes no entry then.",
        most(of(gateway.PROVISIONAL), ("subject",)),
        {0: ("known", GREEN), 1: ("PROVISIONAL", YELLOW)},
        legend="{{subject}}",
    )
    return [(12, left), (12, provisional)]


def _limits() -> Section:
    tokens = panels.line_panel(
        "Calls left",
        "What could be sent at once, by window. Orders at zero: entries wait, exits go first.",
        {"{{call}} {{window}}": of(gateway.TOKENS)},
        panels.COUNT,
    )
    share = panels.line_panel(
        "Calls left, of the limit",
        "The same as a share of each limit.",
        {"{{call}} {{window}}": f"{of(gateway.TOKENS)} / {of(gateway.TOKENS_MAX)}"},
        panels.PERCENT,
        calcs=("lastNotNull", "min"),
    )
    calls = panels.line_panel(
        "Calls",
        "That count against the broker's limits, a second.",
        {"{{call}}": rate(gateway.CALLS, ("call",))},
        panels.PER_SECOND,
    )
    most_in = panels.stat_panel(
        "Most orders in 1.1 s",
        "Since the start. More than five must never be.",
        of(gateway.MOST_IN_WINDOW),
        panels.COUNT,
        ((None, GREEN), (6, RED)),
    )
    owed = panels.stat_panel(
        "Exits owed",
        "Pairs that order tokens are kept for, so that they can be sold.",
        or_zero(total(of(gateway.EXITS_OWED))),
        panels.COUNT,
        ((None, GREEN), (3, YELLOW), (5, RED)),
    )
    queue = panels.line_panel(
        "Waiting in the gateway",
        "Commands for a token, facts of the control, entries read, books and batches to be written.",
        {"{{queue}}": of(gateway.QUEUE)},
        panels.COUNT,
    )
    return Section(
        "The broker's limits", 8, [(8, tokens), (8, share), (8, calls), (4, most_in), (4, owed), (16, queue)]
    )


def _orders() -> Section:
    working = panels.line_panel(
        "Orders at the broker",
        "Working, of unknown fate, and of this account but not ours.",
        {
            "working": total(of(gateway.WORKING)),
            "unknown": total(of(gateway.UNKNOWN)),
            "not ours": total(of(gateway.FOREIGN)),
        },
        panels.COUNT,
    )
    failures = panels.line_panel(
        "Queries that failed",
        "In five minutes: refused, unanswered, or without an end.",
        {"queries": increase(gateway.QUERY_FAILURES, (), "5m")},
        panels.COUNT,
    )
    return Section("Orders", 8, [(12, working), (12, failures)])


def _books() -> Section:
    compared = panels.line_panel(
        "Comparisons with the broker",
        "In five minutes: after each connection, and on a timer while orders are open.",
        {"{{result}}": increase(gateway.RECONCILIATIONS, ("result",), "5m")},
        panels.COUNT,
    )
    differences = panels.stat_panel(
        "Differences",
        "Found since the gateway started. Each latches until a person has found out whose it is.",
        or_zero(total(of(gateway.DIFFERENCES))),
        panels.COUNT,
        glance.NONE_OR_RED,
    )
    return Section("Books", 8, [(16, compared), (8, differences)])
