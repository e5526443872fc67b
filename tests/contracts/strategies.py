"""Hypothesis strategies for every message type, built from its own fields."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

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


def of(annotation: Any, metadata: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    """Return values of a field's annotation, within the bounds that its metadata sets."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return of(inner[0], [item for extra in inner[1:] for item in getattr(extra, "metadata", [extra])])
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(of(inner[0]), max_size=4).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of, inner))
    if origin is dict:
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=4)
    if origin in (Union, UnionType):
        return st.one_of(*map(of, inner))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return REFERENCES if annotation is Reference else filled(annotation)
    return bounded(annotation, metadata)


def bounded(annotation: Any, metadata: Sequence[Any]) -> st.SearchStrategy[Any]:
    low = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    low = next((item.gt + 1 for item in metadata if hasattr(item, "gt")), low)
    if annotation is int:
        return st.integers(min_value=low)
    shortest = next((item.min_length for item in metadata if hasattr(item, "min_length")), 0)
    return st.text(min_size=shortest) if annotation is str else st.from_type(annotation)


@cache
def filled(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return instances of `kind` with every field drawn from its annotation and bounds."""
    fields = {name: of(field.annotation, field.metadata) for name, field in kind.model_fields.items()}
    return st.builds(kind, **fields)


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
