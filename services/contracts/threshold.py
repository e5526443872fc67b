"""What a cross has to earn beyond the plain buffer rule, and how long it must have stood.

A clip whose sale misses is liquidated, and loses. The table says by symbol, and by the side that moved last,
how often that happens and what it costs. Risk publishes it within the Reference, so that detector, risk and
executor compute with one copy, and the hash of the Reference names it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from services.contracts.envelope import TABLE_BYTES
from services.contracts.ids import derive_id
from services.contracts.reference import Frozen
from services.contracts.terms import MovedLast, Symbol

THRESHOLD: Final = "threshold"
"""What the whole table is called where a person asks for one by its hash, as for a limit."""

MIN_CROSS_MS_MAX: Final = 10_000
"""The longest least age of a cross. A table of a build that knew no age is held to it."""
_OLD_KEYS: Final = frozenset({"miss_rate", "loss_bps"})
_CODE: Final = re.compile(r"[0-9][0-9A-Z]{5}")


class Basis(StrEnum):
    """What a row was measured in."""

    SIMULATED = "simulated"
    """In simulated days: nobody knows yet what the real market does."""
    RECORDED = "recorded"
    """In recorded days of the real market."""


def _a_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers; write a number")
    return value


def _a_code(value: str) -> str:
    if not _CODE.fullmatch(value):
        raise ValueError(f"{value!r} is not a share's code; write six characters, as in [symbol.005930]")
    return value


def _a_share(value: Decimal) -> Decimal:
    if value >= 1:
        raise ValueError(f"{value} is no share of 1; 15 % is written 0.15")
    return value


Figure = Annotated[Decimal, BeforeValidator(_a_number), Field(allow_inf_nan=False, decimal_places=4)]


class MissFigures(Frozen):
    """How often a sale misses, and what a miss costs.

    `miss_rate` is the share of bought clips whose sale missed (0.15 is 15 %). `loss_bps` is what a missed
    clip brings less than its intent expected, in basis points of what it paid. It counts from the expected
    net edge, not from zero.
    """

    miss_rate: Annotated[Figure, Field(ge=0), AfterValidator(_a_share)]
    loss_bps: Annotated[Figure, Field(ge=0, le=3_000)]

    @property
    def expected_bps(self) -> Decimal:
        """What misses cost on average, in basis points of every bought clip."""
        return self.miss_rate * self.loss_bps

    def __str__(self) -> str:
        return f"{self.miss_rate} x {self.loss_bps} bps"


@dataclass(frozen=True, slots=True)
class Threshold:
    """What one cross has to reach: the figures of the side that moved last, floor (KRW) and least age."""

    miss: MissFigures
    floor_krw: int
    min_cross_ms: int

    def expected_krw(self, amount_krw: int) -> Decimal:
        """What misses cost on average where `amount_krw` is traded: exact, the caller rounds once."""
        return (amount_krw * self.miss.expected_bps).scaleb(-4)

    def of_part(self, part_shares: int, whole_shares: int) -> "Threshold":
        """Return the threshold for a part of a pair: its share of the floor, rounded up."""
        return replace(self, floor_krw=-(-self.floor_krw * part_shares // whole_shares))


class ThresholdRow(Frozen):
    """What the crosses of a symbol have to reach.

    `ask_moved_last` and `bid_moved_last` hold the figures of missed sales by the quote that moved last.
    `min_cross_ms` is the least time that the cross has stood above break-even, `floor_krw` the least that the
    whole pair has to earn. `source` says where the figures come from.

    Raises:
        ValidationError: unknown key, out of range, no source, or the keys of an older table.
    """

    min_cross_ms: Annotated[int, BeforeValidator(_a_number), Field(ge=0, le=MIN_CROSS_MS_MAX)]
    ask_moved_last: MissFigures
    bid_moved_last: MissFigures
    floor_krw: Annotated[int, BeforeValidator(_a_number), Field(ge=0, le=1_000_000)]
    basis: Basis
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _of_this_build(cls, content: Any) -> Any:
        if isinstance(content, Mapping) and _OLD_KEYS & content.keys():
            raise ValueError(
                "miss_rate and loss_bps now stand for each side that moved last: write ask_moved_last = "
                "{ miss_rate = ..., loss_bps = ... }, bid_moved_last = { ... } and min_cross_ms = ..., as in "
                "the shipped threshold.toml"
            )
        return content

    def at(self, moved_last: MovedLast) -> Threshold:
        """Return what holds for a cross whose quote `moved_last`; unknown: the dearer of both figures."""
        figures = {MovedLast.ASK: self.ask_moved_last, MovedLast.BID: self.bid_moved_last}
        dearer = max(figures.values(), key=lambda miss: miss.expected_bps)
        return Threshold(figures.get(moved_last, dearer), self.floor_krw, self.min_cross_ms)

    def allows_more_than(self, other: "ThresholdRow") -> bool:
        return (
            self.min_cross_ms < other.min_cross_ms
            or self.floor_krw < other.floor_krw
            or self.ask_moved_last.expected_bps < other.ask_moved_last.expected_bps
            or self.bid_moved_last.expected_bps < other.bid_moved_last.expected_bps
        )

    def __str__(self) -> str:
        return (
            f"ask moved last {self.ask_moved_last}, bid moved last {self.bid_moved_last}, at least "
            f"{self.floor_krw:,} KRW, after {self.min_cross_ms:,} ms ({self.basis})"
        )


_SHIPPED_MISS: Final = MissFigures(miss_rate=Decimal("0.15"), loss_bps=Decimal(32))
SHIPPED_ROW: Final = ThresholdRow(
    min_cross_ms=300, ask_moved_last=_SHIPPED_MISS, bid_moved_last=_SHIPPED_MISS, floor_krw=10,
    basis=Basis.SIMULATED,
    source="python -m benchmarks.threshold --seeds 1:121 --crosses 25 "
    "--delay-ms 80:400 --preset demo: 1467 clips",
)  # fmt: skip
"""The default row of `config/threshold.toml` as shipped."""


class ThresholdTable(Frozen):
    """`threshold.toml`: a row for every symbol that has none of its own, and rows by symbol.

    Raises:
        ValidationError: unknown key, out of range, no source, or a code that no share has.
    """

    default: ThresholdRow
    symbol: dict[Annotated[Symbol, AfterValidator(_a_code)], ThresholdRow] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_into_a_message(self) -> Self:
        size = len(self.model_dump_json().encode())
        if size > TABLE_BYTES:
            raise ValueError(
                f"its rows are {size:,} bytes, and a message takes {TABLE_BYTES:,} of them: keep the rows "
                "that differ, and shorten what they say of their source"
            )
        return self

    def row_of(self, symbol: Symbol) -> ThresholdRow:
        """Return the symbol's own row, else the default."""
        return self.symbol.get(symbol, self.default)

    @property
    def hash(self) -> str:
        """An 8-character fingerprint of all rows."""
        return derive_id("threshold", self.model_dump_json())[:8]

    @property
    def rows(self) -> dict[str, ThresholdRow]:
        """Every row by its name: `default`, then the codes that have one."""
        return {"default": self.default} | {str(code): row for code, row in self.symbol.items()}

    def looser_than(self, before: "ThresholdTable") -> Iterator[tuple[str, ThresholdRow, ThresholdRow]]:
        """Yield (code or `default`, row before, row now) where this table lets a smaller edge pass."""
        for name in {**before.rows, **self.rows}:
            old, new = before.row_of(Symbol(name)), self.row_of(Symbol(name))
            if new.allows_more_than(old):
                yield name, old, new


SHIPPED_TABLE: Final = ThresholdTable(default=SHIPPED_ROW)
"""What holds where a reference was published without a table, by a build that knew none."""


def row_lines(name: str, row: ThresholdRow) -> list[str]:
    """Return the lines of `threshold.toml` that say one row; `name` is `default` or a code."""

    def figures(miss: MissFigures) -> str:
        return f"{{ miss_rate = {miss.miss_rate}, loss_bps = {miss.loss_bps} }}"

    return [
        f"[{name}]" if name == "default" else f"[symbol.{name}]",
        f"min_cross_ms = {row.min_cross_ms}",
        f"ask_moved_last = {figures(row.ask_moved_last)}",
        f"bid_moved_last = {figures(row.bid_moved_last)}",
        f"floor_krw = {row.floor_krw}",
        f'basis = "{row.basis}"',
        f'source = "{row.source}"',
    ]


def _row_filled_up(row: Any) -> Any:
    if not (isinstance(row, Mapping) and row.keys() >= _OLD_KEYS):
        return row
    miss = {key: row[key] for key in _OLD_KEYS}
    sides = {"ask_moved_last": miss, "bid_moved_last": miss, "min_cross_ms": MIN_CROSS_MS_MAX}
    return {key: value for key, value in row.items() if key not in _OLD_KEYS} | sides


def _filled_up(content: Any) -> Any:
    """The rows of an older build: one figure for both sides, and the longest least age."""
    if not isinstance(content, Mapping):
        return content
    rows = content.get("symbol")
    symbols = {code: _row_filled_up(row) for code, row in rows.items()} if isinstance(rows, Mapping) else {}
    return {**content, "default": _row_filled_up(content.get("default")), "symbol": symbols}


PublishedTable = Annotated[ThresholdTable, BeforeValidator(_filled_up)]
"""A table in a message or a stored state. A build that knew no least age has not allowed any cross."""
