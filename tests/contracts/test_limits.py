"""Limits that contradict each other are refused with the key to mend."""

import pytest
from pydantic import ValidationError

from services.contracts.trading_limits import TradingLimits


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("max_pair_shares", {"clip_shares": 10}),
        ("max_exposure_symbol_krw", {"max_exposure_symbol_krw": 40_000_000}),
        ("max_order_krw", {"max_order_krw": 20_000_000}),
        ("quote_wait_ms", {"quote_wait_ms": 500_000}),
    ],
)
def test_limits_that_contradict_are_refused_with_the_key(key: str, changes: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=key):
        TradingLimits.model_validate(changes)
