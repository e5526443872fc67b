"""A date is confirmed by a person who has looked, on a day that was not yet to come."""

import datetime as dt

import pytest
from pydantic import ValidationError

from services.market.confirmed import Confirmation, checked

DAY = dt.date(2026, 12, 1)
ROW = {"from": "2026-01-02", "through": "2026-12-28", "by": "Kim", "on": "2026-11-30"}


@pytest.mark.parametrize(("on", "by"), [("2026-11-30", "Kim"), ("2026-12-01", "Kim"), ("2026-12-02", "")])
def test_a_confirmation_of_a_later_day_does_not_count(on: str, by: str) -> None:
    row = Confirmation.model_validate({**ROW, "on": on})
    assert checked(DAY, dt.date(2026, 12, 28), [row]).by == by


@pytest.mark.parametrize("name", ["...", "-", "  ", "123"])
def test_a_placeholder_names_nobody(name: str) -> None:
    with pytest.raises(ValidationError):
        Confirmation.model_validate({**ROW, "by": name})
