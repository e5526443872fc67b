"""What risk's shell sees outside Redis: the files of reference data, read whole or refused."""

from typing import Any

from pydantic import model_validator

from services.contracts.envelope import Message
from services.contracts.reference import SymbolEntry, TradeCosts
from services.contracts.terms import Market, TradingDate
from services.contracts.threshold import SHIPPED_TABLE, PublishedTable
from services.contracts.trading_limits import PublishedLimits, unnamed


class FilesRead(Message):
    """Symbol map, costs of `trading_date`, limits and threshold table; nothing was wrong with the files."""

    trading_date: TradingDate
    symbols: tuple[SymbolEntry, ...]
    costs: dict[Market, TradeCosts]
    limits: PublishedLimits
    by: str
    reason: str
    threshold: PublishedTable = SHIPPED_TABLE
    asked: bool = False
    """Whether a person asked for it and awaits an answer."""
    funds_closed: str = ""
    """Why no fund is traded on the date, empty where funds are."""
    unknown: tuple[str, ...] = ()
    """Limits that no file has named yet: they are at their strictest."""

    @model_validator(mode="before")
    @classmethod
    def _of_another_build(cls, content: Any) -> Any:
        """What a build stored that did not know a limit does not name it."""
        limits = content.get("limits") if isinstance(content, dict) else None
        missing = unnamed(limits) if isinstance(limits, dict) else ()
        return {**content, "unknown": (*content.get("unknown", ()), *missing)} if missing else content


class FilesRefused(Message):
    """The files cannot be used; each problem names its file, its line or key, and how to mend it."""

    trading_date: TradingDate
    problems: tuple[str, ...]
    by: str
    instead: FilesRead | None = None
    """What may hold where nothing is in force: the other files are good, and what `limits.toml` does not say
    is at its strictest."""
