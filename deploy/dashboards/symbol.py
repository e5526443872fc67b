"""One symbol (or a few): where a click in a table of symbols leads."""

from grafana_foundation_sdk.models import dashboard

from deploy.dashboards import addresses, panels
from deploy.dashboards.board import GROUP, SYMBOL, Section, board
from deploy.dashboards.panels import BLUE, GREEN, GREY, RED, YELLOW
from deploy.dashboards.promql import increase, most, of, or_other, or_zero, total
from services.contracts.measures import detector, risk

CHOSEN = {"group": "$group", "symbol": "$symbol"}


def made() -> dashboard.Dashboard:
    return board(
        addresses.SYMBOL,
        "Symbol",
        "One share on both venues: its spread, what was made of it, what is open.",
        (GROUP, SYMBOL),
        (_now(), _day()),
    )


def _now() -> Section:
    edge = panels.stat_panel(
        "Net edge",
        "In the better direction, after all costs.",
        most(of(detector.NET_EDGE, **CHOSEN), ("symbol",)),
        panels.BPS,
        ((None, GREY), (0, GREEN), (300, RED)),
        legend="{{symbol}}",
        decimals=0,
    )
    age = panels.stat_panel(
        "Age of the books",
        "Of the older one. Old is normal in a quiet share; then nothing is bought.",
        most(of(detector.SPREAD_AGE, **CHOSEN), ("symbol",)),
        panels.SECONDS,
        ((None, GREEN), (2, YELLOW), (10, GREY)),
        legend="{{symbol}}",
        decimals=1,
    )
    exposure = panels.stat_panel(
        "Exposure",
        "Worst case of what is open in these symbols.",
        or_zero(total(of(risk.SYMBOL_EXPOSURE, symbol="$symbol"))),
        panels.KRW,
        ((None, BLUE),),
        decimals=0,
    )
    profit = panels.stat_panel(
        "Profit today",
        "Of the closed pairs of these symbols, after all costs.",
        or_zero(total(of(risk.SYMBOL_PNL, symbol="$symbol"))),
        panels.KRW,
        ((None, RED), (0, GREEN)),
        decimals=0,
    )
    return Section("Now", 6, [(6, edge), (6, age), (6, exposure), (6, profit)])


def _day() -> Section:
    edge = panels.line_panel(
        "Net edge",
        "Above zero the better direction pays.",
        {"{{symbol}}": of(detector.NET_EDGE, **CHOSEN)},
        panels.BPS,
        steps=((None, GREY), (0, GREEN)),
        zero=False,
    )
    age = panels.line_panel(
        "Age of the books",
        "Of the older of the two.",
        {"{{symbol}}": of(detector.SPREAD_AGE, **CHOSEN)},
        panels.SECONDS,
    )
    crosses = panels.bar_panel(
        "Crosses, by the venue to buy on",
        "Over the time shown.",
        increase(detector.CROSSES, ("symbol", "buy_venue"), **CHOSEN),
        panels.COUNT,
        legend="{{symbol}} buy {{buy_venue}}",
    )
    made_of_it = panels.line_panel(
        "Intents and approvals",
        "In five minutes. Intents without approvals: look at the denials in Risk.",
        {
            "intents {{symbol}}": increase(detector.INTENTS, ("symbol",), "5m", **CHOSEN),
            "approved {{symbol}}": increase(risk.APPROVALS, ("symbol",), "5m", symbol="$symbol"),
        },
        panels.COUNT,
    )
    exposure = panels.line_panel(
        "Exposure",
        "Worst case of what is open, by symbol; nothing open shows zero.",
        {"{{symbol}}": or_other(of(risk.SYMBOL_EXPOSURE, symbol="$symbol"), "symbol", "all others")},
        panels.KRW,
    )
    profit = panels.line_panel(
        "Profit",
        "Of the closed pairs of the day.",
        {"{{symbol}}": of(risk.SYMBOL_PNL, symbol="$symbol")},
        panels.KRW,
        zero=False,
    )
    return Section(
        "The day", 9, [(24, edge), (12, age), (12, crosses), (12, made_of_it), (12, exposure), (24, profit)]
    )
