"""Hypothesis strategies for every message type, built from its own fields."""

from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from services.contracts.envelope import Message
from services.contracts.in_force import Reference
from services.contracts.reference import CommissionRates, SymbolEntry, TradeCosts
from services.contracts.streams import TABLE
from services.contracts.terms import Market
from services.contracts.trading_limits import TradingLimits

ALL_TYPES: list[type[Message]] = [kind for stream in TABLE for kind in stream.types]

RATES = st.decimals(min_value=0, max_value=Decimal("0.09999"), places=5)


@st.composite
def symbol_entries(draw: st.DrawFn) -> SymbolEntry:
    code = draw(st.from_regex(r"[0-9][0-9A-Z]{5}", fullmatch=True))
    return SymbolEntry.model_validate(
        {
            "krx_code": code,
            "nxt_code": f"{code}_NX",
            "name": draw(st.text(min_size=1)),
            "market": draw(st.sampled_from(Market)),
            "group": draw(st.text(min_size=1)),
            "enabled": draw(st.booleans()),
        }
    )


@st.composite
def trading_limits(draw: st.DrawFn) -> TradingLimits:
    clip = draw(st.integers(1, 50))
    return TradingLimits(clip_shares=clip, max_pair_shares=draw(st.integers(clip, 500)))


BOOK_SIDES = st.lists(st.tuples(st.integers(1), st.integers(0)), max_size=4).map(tuple)


@cache
def filled(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return instances of `kind` with every field drawn from its annotation and bounds."""
    fields = {
        name: BOOK_SIDES if name in ("bids", "asks") else st.from_type(field.rebuild_annotation())
        for name, field in kind.model_fields.items()
    }
    return st.builds(kind, **fields)


def parts_of(kind: type[BaseModel]) -> set[type[BaseModel]]:
    """Return every model nested in `kind`, at any depth."""
    found: set[type[BaseModel]] = set()

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
            found.add(annotation)
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for inner in getattr(annotation, "__args__", ()):
            walk(inner)

    for field in kind.model_fields.values():
        walk(field.annotation)
    return found


COMMISSIONS = st.builds(CommissionRates, krx=RATES, nxt=RATES, truncate_to_krw=st.sampled_from((1, 10)))
COSTS = st.builds(
    TradeCosts,
    trading_date=st.text(),
    market=st.sampled_from(Market),
    commission=COMMISSIONS,
    transaction_tax_rate=RATES,
    rural_tax_rate=RATES,
)
REFERENCES = st.builds(
    Reference,
    trading_date=st.text(),
    symbols=st.lists(symbol_entries(), max_size=4).map(tuple),
    costs=st.dictionaries(st.sampled_from(Market), COSTS),
    limits=trading_limits(),
)
"""Its parts have validators that ask for more than one field at a time."""

for _part in {part for kind in ALL_TYPES for part in parts_of(kind)} - parts_of(Reference):
    st.register_type_strategy(_part, st.deferred(lambda _part=_part: filled(_part)))

st.register_type_strategy(Reference, REFERENCES)
