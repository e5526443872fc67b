"""Which lines of the logs are asked for, and how one looks."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from services.cli.faults import UsageFault
from services.cli.log_files import Line
from services.market.dates import KST

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION: Final = re.compile(r"(\d+)([smhd])")
_SHOWN: Final = frozenset({"ts", "level", "service", "event", "pair_id", "exception"})
_STYLES: Final = {
    "debug": "dim", "info": "green", "warning": "yellow", "error": "bold red", "critical": "bold red"
}  # fmt: skip
INDENT: Final = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; empty asks for everything. `since` is an ISO time (UTC), as lines have it."""

    service: str = ""
    pair: str = ""
    level: str = ""
    since: str = ""
    text: str = ""

    def fits(self, line: Line) -> bool:
        return (
            line.ts >= self.since
            and (not self.service or _named(line.service, self.service))
            and (not self.pair or _concerns(line, self.pair))
            and (not self.level or _rank(line.level) >= _rank(self.level))
            and (not self.text or self.text.casefold() in line.text.casefold())
        )


def _named(service: str, wanted: str) -> bool:
    """`detector` names every detector."""
    return service == wanted or service.startswith(f"{wanted}-")


def _concerns(line: Line, pair: str) -> bool:
    order = str(line.data.get("order_id", ""))
    return line.data.get("pair_id") == pair or order == pair or order.startswith(f"{pair}.")


def _rank(level: str) -> int:
    """What has no level (a traceback, a foreign line) is never left out."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)


def since_of(text: str, now: dt.datetime) -> str:
    """Return the UTC time that `10m`, `2h`, `09:30` (in Korea, today) or an ISO time means.

    Raises:
        UsageFault: none of these.
    """
    try:
        if duration := _DURATION.fullmatch(text.strip()):
            moment = now - dt.timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        elif re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text.strip()):
            time = dt.time.fromisoformat(text.strip().zfill(5))
            moment = dt.datetime.combine(now.astimezone(KST).date(), time, KST)
        else:
            moment = dt.datetime.fromisoformat(text.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=KST)
    except (ValueError, OverflowError) as error:
        raise UsageFault(
            f"--since {text!r} is no time",
            "Write 30s, 10m, 2h, 1d, 09:30 (in Korea, today) or 2026-11-23T09:30.",
        ) from error
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def shown(line: Line, width: int = 0) -> list[Text]:
    """Return a line as rows for people; `width` 0: one row, for a pipe."""
    head = Text()
    head.append(_clock(line.ts), style="dim")
    head.append(f" {(line.level or '-')[:4].upper():<4}", style=_STYLES.get(line.level, ""))
    head.append(f" {line.service:<11}", style="cyan")
    head.append(f" {line.data.get('event', '')}")
    if pair := line.data.get("pair_id"):
        head.append(f" {pair}", style="magenta")
    rest = " ".join(f"{name}={_value(value)}" for name, value in line.data.items() if name not in _SHOWN)
    trace = str(line.data.get("exception", ""))
    if not width:
        return [Text(" ".join(filter(None, (head.plain, rest, " | ".join(trace.splitlines())))))]
    if head.cell_len + 1 + cell_len(rest) <= width:
        rows = [head.append(f" {rest}", style="dim") if rest else head]
    else:
        rows = [*_wrapped(head, width), *_wrapped(Text(" " * INDENT + rest, style="dim"), width)]
    for row in trace.splitlines():
        rows.extend(_wrapped(Text(" " * INDENT + row, style="red"), width))
    return rows


def _wrapped(text: Text, width: int) -> list[Text]:
    """Cut a text into rows of at most `width` cells, indented from the second on, nothing lost."""
    rows = []
    while text.cell_len > width:
        cut = _cut_at(text.plain, width)
        rows.append(text[:cut])
        text = Text(" " * INDENT, style=text.style) + text[cut:]
    return [*rows, text]


def _cut_at(plain: str, width: int) -> int:
    """Where a row of at most `width` cells ends: at a blank if there is one late enough."""
    cells, cut = 0, 0
    for at, char in enumerate(plain):
        cells += cell_len(char)
        if cells > width:
            break
        cut = at + 1
    blank = plain.rfind(" ", width // 2, cut)
    return blank if blank > INDENT else max(cut, INDENT + 1)


def _clock(ts: str) -> str:
    """The time of day in Korea, ms: what the market's clock shows."""
    try:
        moment = dt.datetime.fromisoformat(ts)
    except ValueError:
        return " " * 12
    moment = moment if moment.tzinfo else moment.astimezone()
    return moment.astimezone(KST).strftime("%H:%M:%S.%f")[:12]


def _value(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
