"""Fills the generated tables of the documents from the code, so that they cannot disagree.

A region starts with `<!-- generated:NAME -->` and ends with `<!-- /generated -->`; what stands
between is replaced by the table NAME. `python docs/generate.py` writes, `--check` only compares
and ends with 1 where a table is stale. The text around the regions is a person's.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from services.contracts.envelope import Message
from services.contracts.metric import Metric
from services.contracts.metrics import EXPORTERS, SERVICES
from services.contracts.metrics import TABLE as METRICS
from services.contracts.reasons import DenialReason, GateReason
from services.contracts.reference import TradeCosts
from services.contracts.streams import TABLE, Stream
from services.contracts.terms import Market, MovedLast, TradingDate, Venue
from services.contracts.threshold import Threshold, ThresholdTable
from services.contracts.tick_grid import SHARE_TICKS
from services.contracts.trading_limits import BufferRule, TradingLimits
from services.executor.phases import PairPhase, pair_rows
from services.market.edge import Edge, edge
from services.market.files import load_market, load_toml
from services.simulator.market.presets import TABLE as PRESETS

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIG: Final = ROOT / "config"
DOCUMENTS: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_REGION: Final = re.compile(
    r"<!-- generated:(?P<name>[a-z_]+) -->\n(?P<body>.*?)<!-- /generated -->", re.DOTALL
)
_OPENING: Final = "<!-- generated:"
SHOWN: Final = 9
"""More values of a label than this are not spelled out: they are a list of their own."""


THRESHOLD_DATE: Final = TradingDate("2026-11-23")
THRESHOLD_PRICES: Final = (
    2_000, 3_000, 5_000, 10_000, 20_000, 50_000, 70_000, 100_000, 200_000, 300_000, 500_000,
)  # fmt: skip


class BadRegion(ValueError):
    """A region that cannot be filled; says which document and which name."""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a markdown table. A `|` inside a cell is escaped."""
    heads = tuple(heads)
    lines = [heads, ("---",) * len(heads), *rows]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines) + "\n"
    )


def streams() -> str:
    """Return the streams table: who writes, who reads, how it is read, what a lost entry costs."""
    return table(
        ("stream", "key", "written by", "read by", "reading", "kept", "a lost entry costs"),
        (
            (
                stream.name, f"`{stream.key}`", ", ".join(stream.written_by), ", ".join(stream.read_by),
                stream.reading.value, kept(stream), stream.if_lost,
            )
            for stream in TABLE
        ),
    )  # fmt: skip


def kept(stream: Stream) -> str:
    return "all until read" if stream.kept is None else f"about {stream.kept:,}"


def reasons() -> str:
    """Return both closed lists of refusals: risk's verdicts and the gateway's last gate."""
    return (
        "Why risk denies an intent (`DenialReason`):\n\n"
        + meanings(DenialReason)
        + "\nWhy the gateway refuses a command at the last gate (`GateReason`):\n\n"
        + meanings(GateReason)
    )


def pair() -> str:
    """Return the state diagram of a pair: every turn that its table knows."""
    lines = (f"    {phase} --> {after}: {turn.value.replace('_', ' ')}" for phase, turn, after in pair_rows())
    ends = (f"    [*] --> {PairPhase.READY}", *lines, f"    {PairPhase.CLOSED} --> [*]")
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(ends) + "\n```\n"


def meanings(reason: type[DenialReason] | type[GateReason]) -> str:
    members: Iterable[StrEnum] = reason
    return table(("reason", "meaning"), ((f"`{item.value}`", item.meaning) for item in members))  # type: ignore[attr-defined]


def messages() -> str:
    """Return the catalogue: every message by its stream, with version, meaning and fields."""
    parts = []
    for stream in TABLE:
        rows = (
            (f"`{kind.__name__}`", str(kind.VERSION), summary(kind), fields(kind)) for kind in stream.types
        )
        parts.append(f"### {stream.name}\n\n" + table(("message", "version", "says", "fields"), rows))
    return "\n".join(parts)


def summary(kind: type[Message]) -> str:
    """Return the first sentence of a message's own docstring, or nothing."""
    text = " ".join((kind.__dict__.get("__doc__") or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def fields(kind: type[Message]) -> str:
    """Return the field names; one that may be left out ends in `?`."""
    return ", ".join(f"`{name}{'' if f.is_required() else '?'}`" for name, f in kind.model_fields.items())


def limits() -> str:
    """Return what a desk may tune, with its default and the bounds nobody can pass."""
    rows = ((f"`{name}`", value(field), bounds(field)) for name, field in TradingLimits.model_fields.items())
    return table(("limit", "default", "allowed"), rows)


def value(field: FieldInfo) -> str:
    default = field.default
    return f"{default:,}" if isinstance(default, int) else f"`{default}`"


def bounds(field: FieldInfo) -> str:
    low = next((f"{item.ge:,}" for item in field.metadata if hasattr(item, "ge")), "")
    high = next((f"{item.le:,}" for item in field.metadata if hasattr(item, "le")), "")
    if isinstance(field.annotation, type) and issubclass(field.annotation, StrEnum):
        return " or ".join(f"`{item.value}`" for item in field.annotation)
    return f"{low} to {high}" if high else f"{low} or more"


def threshold() -> str:
    """Return what one share has to earn by its price, under the shipped rule and the plain one."""
    market = load_market(CONFIG).costs_by_market(THRESHOLD_DATE)
    costs, row = market[Market.KOSPI], load_toml(CONFIG / "threshold.toml", ThresholdTable).default
    dearer = row.at(MovedLast.UNKNOWN)
    plain = TradingLimits(buffer_rule=BufferRule.MAX_OF_COST_PLUS_BP_AND_TICK)
    heads = (
        "price",
        "cost",
        "tick",
        "plain rule asks for",
        "threshold",
        "spread needed",
        "by the plain rule",
    )
    found = ((price, needed(costs, TradingLimits(), dearer, price)) for price in THRESHOLD_PRICES)
    rows = (
        (
            f"{price:,}", f"{edge.cost_krw:,}", f"{edge.sell_tick_krw:,}",
            f"{edge.threshold_krw(plain, dearer):,}", f"{edge.threshold_krw(TradingLimits(), dearer):,}",
            spread(edge), spread(needed(costs, plain, dearer, price)),
        )
        for price, edge in found
    )  # fmt: skip
    return (
        f"The default row is {row}: {row.source}. Where the sides differ, the table shows the dearer one.\n\n"
        + table(heads, rows)
    )


def needed(costs: TradeCosts, limits: TradingLimits, threshold: Threshold, price_krw: int) -> Edge:
    """Return the edge of one share at the narrowest spread that pays; the dearer venue bids."""
    bids = accumulate(repeat(1), lambda bid, ticks: SHARE_TICKS.step(bid, ticks), initial=price_krw)
    found = (edge(costs, Venue.KRX, ((price_krw, 1),), Venue.NXT, ((bid, 1),), 1) for bid in bids)
    return next(item for item in found if item is not None and item.reaches(limits, threshold))


def spread(edge: Edge) -> str:
    """Return a gross edge in ticks, KRW and basis points of what is paid."""
    ticks = SHARE_TICKS.between(edge.buy_price_worst_krw, edge.sell_price_worst_krw)
    bps = edge.gross_krw * 10_000 / edge.buy_amount_krw
    return f"{ticks} {'tick' if ticks == 1 else 'ticks'}, {edge.gross_krw:,} KRW, {bps:.1f} bps"


def market_presets() -> str:
    """How contested the crosses of the simulated market are."""
    rows = ((f"`{row.name}`", str(row.gentle), str(row.fair), str(row.harsh), row.why) for row in PRESETS)
    return table(("parameter", "gentle", "fair", "harsh", "why"), rows)


def faults() -> str:
    """Return what happens when: a table for each group of `faults.toml`."""
    rows = records("fault")
    return "\n".join(
        f"## {group}\n\n"
        + table(
            ("what happens", "the system", "a person sees", "and does", "shown by"),
            (
                (
                    lines(row["name"], code(row.get("keys", ()))),
                    row["does"],
                    row["seen"],
                    row["act"],
                    shown(row),
                )
                for row in rows
                if row["group"] == group
            ),
        )
        for group in dict.fromkeys(row["group"] for row in rows)
    )


def controls() -> str:
    """Return the controls, each with where it lives, what shows it, and what is missing."""
    return table(
        ("#", "control", "here", "state", "lives in", "shown by"),
        (
            (
                str(row["number"]), lines(row["name"], row["rule"]), row["does"], row["state"],
                code(row["modules"]), shown(row),
            )
            for row in records("control")
        ),
    )  # fmt: skip


def metrics() -> str:
    """Return the catalogue of metrics: what every service exports, then each one's own."""
    shared = [metric for metric in METRICS if len(metric.services) > 1]
    parts = [catalogue("Several services", shared, with_services=True)]
    for service in EXPORTERS:
        own = [metric for metric in METRICS if metric.services == (service,)]
        parts.append(catalogue(service.capitalize(), own))
    return "\n".join(parts)


def catalogue(title: str, rows: Iterable[Metric], *, with_services: bool = False) -> str:
    heads = ("metric", "kind", "unit", "labels", "says")
    return f"## {title}\n\n" + table(
        (*heads, "exported by") if with_services else heads,
        (
            (
                f"`{metric.name}`", metric.kind.value, metric.unit.value, labels(metric), says(metric),
                *((exported_by(metric),) if with_services else ()),
            )
            for metric in rows
        ),
    )  # fmt: skip


def says(metric: Metric) -> str:
    return lines(metric.help, f"*On no dashboard: {metric.left_out}.*" if metric.left_out else "")


def exported_by(metric: Metric) -> str:
    return {SERVICES: "every service", EXPORTERS: "every process"}.get(
        metric.services, ", ".join(metric.services)
    )


def labels(metric: Metric) -> str:
    """Return the labels, each with its values where they are few and known."""
    return lines(
        *(
            f"`{label.name}`" + (f": {', '.join(label.values)}" if 0 < len(label.values) <= SHOWN else "")
            for label in metric.labels
        )
    )


def records(kind: str) -> list[dict[str, Any]]:
    """Return the rows of `faults.toml` or `controls.toml`."""
    rows: list[dict[str, Any]] = tomllib.loads((ROOT / "docs" / f"{kind}s.toml").read_text("utf-8"))[kind]
    return rows


def shown(row: Mapping[str, Any]) -> str:
    gap = f"**missing:** {row['gap']}" if row.get("gap") else ""
    return lines(code(row["tests"]), gap)


def code(names: Iterable[str]) -> str:
    return lines(*(f"`{name}`" for name in names))


def lines(*parts: str) -> str:
    return "<br>".join(part for part in parts if part)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "streams": streams, "pair": pair, "reasons": reasons, "messages": messages, "limits": limits,
    "threshold": threshold, "market_presets": market_presets,
    "faults": faults, "controls": controls, "metrics": metrics,
}  # fmt: skip


def filled(text: str, where: str) -> str:
    """Return `text` with every generated region filled.

    Raises:
        BadRegion: a region has no end, or a name that no table has.
    """

    def fill(region: re.Match[str]) -> str:
        name = region["name"]
        if name not in TABLES:
            raise BadRegion(f"{where}: no table is called {name!r}; known are {', '.join(TABLES)}")
        return f"{_OPENING}{name} -->\n{TABLES[name]()}<!-- /generated -->"

    result, count = _REGION.subn(fill, text)
    if count != text.count(_OPENING):
        raise BadRegion(f"{where}: a generated region has no end (<!-- /generated -->)")
    return result


def main(arguments: list[str]) -> int:
    """Write or check all documents; returns the exit code: 1 stale, 2 a region that cannot be filled."""
    parser = argparse.ArgumentParser(description="Fill the generated tables of the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a table is stale")
    check: bool = parser.parse_args(arguments).check
    stale = []
    try:
        for path in DOCUMENTS:
            old = path.read_text(encoding="utf-8")
            new = filled(old, path.relative_to(ROOT).as_posix())
            if new == old:
                continue
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8", newline="\n")
    except BadRegion as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if stale and check:
        sys.stderr.write(f"stale: {', '.join(stale)}; run: make docs\n")
        return 1
    sys.stdout.write(f"written: {', '.join(stale)}\n" if stale else "all tables are current\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
