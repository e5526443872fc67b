"""No message is ever larger than its readers take: what could grow is bounded where it is made."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import MAP_BYTES, MAX_MESSAGE_BYTES, TABLE_BYTES, Envelope, Message, decode
from services.contracts.in_force import Reference
from services.contracts.messages.control import ReferencePublished
from services.contracts.messages.venue_state import DayFactsPublished, PriceBand
from services.contracts.reference import CommissionRates, SymbolEntry, TradeCosts
from services.contracts.terms import Market, Severity, TradingDate
from services.contracts.threshold import SHIPPED_ROW, ThresholdTable
from services.contracts.trading_limits import TradingLimits
from services.gateway.reconcile import _first_of
from services.gateway.settings import MOST_SYMBOLS
from services.market.errors import SymbolMapError
from services.market.symbols import parse_symbol_map

DATE = TradingDate("2026-11-30")
KOREAN = "한국타이어앤테크놀로지우"


def rows(count: int, name: str = KOREAN) -> str:
    lines = (f"{n:06d},{n:06d}_NX,{name},KOSPI,g1,true\n" for n in range(count))
    return "KRX_code,NXT_code,name,market,group,enabled\n" + "".join(lines)


def largest(name: str) -> tuple[SymbolEntry, ...]:
    """The longest map with rows of this name that is not refused."""
    most = MAP_BYTES // (len(parse_symbol_map(rows(1, name), "m", ("g1",))[0].model_dump_json().encode()) + 1)
    return parse_symbol_map(rows(most, name), "symbol_map.csv", ("g1",))


def size_of(message: Message) -> int:
    text = Envelope.wrap(message, source="risk", now_ns=1, causation_id="c").encode().encode()
    decode(text)
    return len(text)


@pytest.mark.parametrize("count", [2_700])
def test_a_map_that_no_reader_would_take_is_refused_with_how_many_rows_fit(count: int) -> None:
    with pytest.raises(SymbolMapError, match=f"{count:,} rows make .* keep about 1,[0-9]{{3}} rows"):
        parse_symbol_map(rows(count), "symbol_map.csv", ("g1",))


@pytest.mark.parametrize("name", [KOREAN, "A"])
def test_the_longest_map_fits_into_what_is_published_of_it(name: str) -> None:
    entries = largest(name)
    assert len(entries) > 1_400
    costs = {
        market: TradeCosts(
            trading_date=DATE,
            market=market,
            commission=CommissionRates(krx=Decimal("0.00015"), nxt=Decimal("0.000145")),
            transaction_tax_rate=Decimal("0.0005"),
            rural_tax_rate=Decimal("0.0015"),
        )
        for market in Market
    }
    reference = Reference(
        trading_date=DATE, symbols=entries, costs=costs, limits=TradingLimits(), threshold=table()
    )
    notes = tuple(
        f"limits.toml, {limit}: 1 -> 2 allows more; {'x' * 120}" for limit in TradingLimits.model_fields
    )
    published = ReferencePublished(
        reference=reference, reference_hash=reference.hash, by="kim", reason="r" * 2_000, notes=notes
    )
    assert size_of(published) <= MAX_MESSAGE_BYTES
    codes = tuple(entry.krx_code for entry in entries)
    band = PriceBand(base_krw=1_994_000, lower_krw=1_396_000, upper_krw=2_590_000)
    facts = DayFactsPublished(
        trading_date=DATE, nxt_eligible=codes, order_warnings=codes, bands=dict.fromkeys(codes, band)
    )
    assert size_of(facts) <= MAX_MESSAGE_BYTES and len(entries) <= MOST_SYMBOLS * 1.1


def table(rows_more: int = 0) -> ThresholdTable:
    row = SHIPPED_ROW.model_dump()
    most = TABLE_BYTES // (len(SHIPPED_ROW.model_dump_json().encode()) + len('"000000":,')) - 1
    return ThresholdTable.model_validate(
        {"default": row, "symbol": {f"{n:06d}": row for n in range(most + rows_more)}}
    )


def test_differences_beyond_the_first_hundred_are_counted() -> None:
    told = _first_of(tuple(f"difference {n}" for n in range(2_600)))
    assert len(told) == 101 and told[-1] == "and 2500 more"
    assert _first_of(told[:100]) == told[:100]


def test_a_threshold_table_that_no_reader_would_take_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep the rows that differ"):
        table(rows_more=50)


def test_an_alert_of_thousands_of_wrong_lines_is_told_by_its_first_ones() -> None:
    problems = "\n".join(f"symbol_map.csv, line {n}: 이름이 없습니다" for n in range(5_000))
    alert = raised(AlertCode.REFERENCE_REFUSED, "reference-files", Severity.WARNING, {"problem": problems})
    assert size_of(alert) < MAX_MESSAGE_BYTES // 2
    assert "line 1:" in alert.detail and "characters more" in alert.detail
