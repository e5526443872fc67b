"""What a cross has to earn beyond the plain buffer rule: the expected cost of a sale that is missed.

A clip whose sale misses is liquidated, and loses. The table says by symbol how often that happens and
what it costs. Risk publishes it within the Reference, so that detector, risk and executor compute with
one copy, and the hash of the Reference names it.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from services.contracts.envelope import TABLE_BYTES
from services.contracts.ids import derive_id
from services.contracts.reference import Frozen
from services.contracts.terms import Symbol

THRESHOLD: Final = "threshold"
"""What the whole table is called where a person asks for one by its hash, as for a limit."""

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


class ThresholdRow(Frozen):
    """How often a sale misses, what a miss costs, and the least that a pair has to earn.

    `miss_rate` is the share of bought clips whose sale missed (0.15 is 15 %). `loss_bps` is what a missed
    clip brings less than its intent expected, in basis points of what it paid; it counts from the expected
    net edge, not from zero. `floor_krw` is for the whole pair. `source` says where the figures come from.
    """

    miss_rate: Annotated[Figure, Field(ge=0), AfterValidator(_a_share)]
    loss_bps: Annotated[Figure, Field(ge=0, le=3_000)]
    floor_krw: Annotated[int, BeforeValidator(_a_number), Field(ge=0, le=1_000_000)]
    basis: Basis
    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

    @property
    def expected_bps(self) -> Decimal:
        """What misses cost on average, in basis points of every bought clip."""
        return self.miss_rate * self.loss_bps

    def expected_krw(self, amount_krw: int) -> Decimal:
        """What misses cost on average where `amount_krw` is traded: exact, the caller rounds once."""
        return (amount_krw * self.expected_bps).scaleb(-4)

    def of_part(self, part_shares: int, whole_shares: int) -> "ThresholdRow":
        """Return the row for a part of a pair: its share of the floor, rounded up."""
        floor_krw = -(-self.floor_krw * part_shares // whole_shares)
        return self.model_copy(update={"floor_krw": floor_krw})

    def allows_more_than(self, other: "ThresholdRow") -> bool:
        return self.expected_bps < other.expected_bps or self.floor_krw < other.floor_krw

    def __str__(self) -> str:
        return f"{self.miss_rate} x {self.loss_bps} bps, at least {self.floor_krw:,} KRW ({self.basis})"


SHIPPED_ROW: Final = ThresholdRow(
    miss_rate=Decimal("0.15"), loss_bps=Decimal(32), floor_krw=10, basis=Basis.SIMULATED,
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
