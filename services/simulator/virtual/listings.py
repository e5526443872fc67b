"""What virtual days trade and on which dates: a seed draws one basket of three symbols and one date.

The codes are real, the base prices are assumed. The baskets together have every tick from 1 to 1,000 won, and
some prices start a few ticks below the end of their band (market rules 2.1).
"""

from typing import Final

from services.contracts.terms import Market, Symbol, TradingDate
from services.market.symbols import ListedShare

SYMBOLS: Final = 3
"""Symbols of a day."""
LISTED: Final = "listed"
"""The first symbols of the desk's own listing: dear shares on KOSPI."""
ORDINARY_DATE: Final = TradingDate("2026-11-23")


def _share(code: str, name_en: str, name_kr: str, market: Market, base_price_krw: int) -> ListedShare:
    return ListedShare(
        code=Symbol(code), name_en=name_en, name_kr=name_kr, market=market, base_price_krw=base_price_krw
    )


BASKETS: Final = {
    "cheap": (
        _share("003280", "Heung-A Shipping", "흥아해운", Market.KOSPI, 1_990),
        _share("020560", "Asiana Airlines", "아시아나항공", Market.KOSPI, 4_980),
        _share("032500", "KMW", "케이엠더블유", Market.KOSDAQ, 12_600),
    ),
    "kosdaq": (
        _share("086520", "EcoPro", "에코프로", Market.KOSDAQ, 49_800),
        _share("247540", "EcoPro BM", "에코프로비엠", Market.KOSDAQ, 150_000),
        _share("196170", "Alteogen", "알테오젠", Market.KOSDAQ, 400_500),
    ),
    "letters": (
        _share("00088K", "Hanwha 3PB", "한화3우B", Market.KOSPI, 33_900),
        _share("0126Z0", "Samsung Epis Holdings", "삼성에피스홀딩스", Market.KOSPI, 498_000),
        _share("069500", "KODEX 200", "KODEX 200", Market.ETF, 40_005),
    ),
}
"""Besides `LISTED`: ticks of 1 to 10 won, KOSDAQ, and a preferred share, letters in a code, a fund."""

DATES: Final = {
    TradingDate("2025-03-04"): "the first day of NXT, opens at 10:00",
    TradingDate("2025-12-26"): "the last day with the tax of 2025",
    TradingDate("2025-12-29"): "the first day with the tax of 2026",
    TradingDate("2026-01-02"): "opens at 10:00",
    TradingDate("2026-09-11"): "the last day before the KRX after-market",
    TradingDate("2026-09-14"): "the first day with the KRX after-market",
    TradingDate("2026-11-19"): "the exam day, everything an hour later",
    ORDINARY_DATE: "an ordinary day",
    TradingDate("2026-12-28"): "the last day whose tax is known",
    TradingDate("2026-12-29"): "the first day whose tax is not known",
    TradingDate("2026-12-30"): "the last day of the year",
    TradingDate("2028-01-03"): "computed by the yearly rules, opens at 10:00",
}
"""Dates with the rule that begins or ends on them (market rules 1 and 3.1)."""
