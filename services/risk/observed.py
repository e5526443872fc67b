"""What risk's shell sees outside Redis: the files of reference data, read whole or refused."""

from services.contracts.envelope import Message
from services.contracts.reference import SymbolEntry, TradeCosts
from services.contracts.terms import Market, TradingDate
from services.contracts.threshold import SHIPPED_TABLE, ThresholdTable
from services.contracts.trading_limits import TradingLimits


class FilesRead(Message):
    """Symbol map, costs of `trading_date`, limits and threshold table; nothing was wrong with the files."""

    trading_date: TradingDate
    symbols: tuple[SymbolEntry, ...]
    costs: dict[Market, TradeCosts]
    limits: TradingLimits
    by: str
    reason: str
    threshold: ThresholdTable = SHIPPED_TABLE
    asked: bool = False
    """Whether a person asked for it and awaits an answer."""
    funds_closed: str = ""
    """Why no fund is traded on the date, empty where funds are."""


class FilesRefused(Message):
    """The files cannot be used; each problem names its file, its line or key, and how to mend it."""

    trading_date: TradingDate
    problems: tuple[str, ...]
    by: str
