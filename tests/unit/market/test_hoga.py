from typing import Any

import pytest
from pydantic import ValidationError

from services.contracts.terms import OrderKind, SessionPhase, Side, Venue
from services.market.files import MarketRules
from services.market.hoga import HogaTable, NoSuchOrderKind, OrderAction, order_type

KRX, NXT = Venue.KRX, Venue.NXT
P, K = SessionPhase, OrderKind


@pytest.mark.parametrize(
    ("venue", "phase", "kind", "code"),
    [
        (KRX, P.CONTINUOUS, K.LIMIT, "00"),
        (KRX, P.CONTINUOUS, K.LIMIT_IOC, "10"),
        (KRX, P.CONTINUOUS, K.MARKET, "03"),
        (KRX, P.CLOSING_AUCTION, K.LIMIT, "00"),
        (KRX, P.CLOSING_AUCTION, K.MARKET, "03"),
        (NXT, P.CONTINUOUS, K.LIMIT, "00"),
        (NXT, P.CONTINUOUS, K.LIMIT_IOC, "10"),
        (NXT, P.PRE_MARKET, K.LIMIT, "00"),
        (NXT, P.AFTER_MARKET, K.LIMIT, "00"),
    ],
)
def test_codes(rules: MarketRules, venue: Venue, phase: SessionPhase, kind: OrderKind, code: str) -> None:
    assert rules.hoga.hoga_code(venue, phase, kind) == code
    assert kind in rules.hoga.kinds(venue, phase)


@pytest.mark.parametrize(
    ("venue", "phase", "kind", "sentence"),
    [
        (NXT, P.CONTINUOUS, K.MARKET, "NXT takes no market order in continuous"),
        (NXT, P.PAUSE, K.LIMIT, "NXT takes no limit order in pause"),
        (KRX, P.CLOSED, K.MARKET, "KRX takes no market order in closed"),
        (KRX, P.CLOSING_AUCTION, K.LIMIT_IOC, "KRX takes no limit_ioc order in closing_auction"),
        (KRX, P.AFTER_MARKET, K.LIMIT, "limit order on KRX in after_market has no known broker code: the"),
        (NXT, P.AFTER_MARKET, K.LIMIT_IOC, "limit_ioc order on NXT in after_market is not enabled in"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_said(
    rules: MarketRules, venue: Venue, phase: SessionPhase, kind: OrderKind, sentence: str
) -> None:
    with pytest.raises(NoSuchOrderKind, match=sentence):
        rules.hoga.hoga_code(venue, phase, kind)
    assert kind not in rules.hoga.kinds(venue, phase)


def test_nxt_never_takes_a_market_order(rules: MarketRules) -> None:
    assert all(K.MARKET not in rules.hoga.kinds(NXT, phase) for phase in SessionPhase)


def test_kinds_and_codes_agree_everywhere(rules: MarketRules) -> None:
    for venue in Venue:
        for phase in SessionPhase:
            sendable = set()
            for kind in OrderKind:
                try:
                    rules.hoga.hoga_code(venue, phase, kind)
                except NoSuchOrderKind:
                    continue
                sendable.add(kind)
            assert rules.hoga.kinds(venue, phase) == sendable


@pytest.mark.parametrize(
    ("action", "side", "krx", "nxt"),
    [
        (OrderAction.NEW, Side.BUY, 1, 21),
        (OrderAction.NEW, Side.SELL, 2, 22),
        (OrderAction.CANCEL, Side.BUY, 3, 23),
        (OrderAction.CANCEL, Side.SELL, 4, 23),
        (OrderAction.AMEND, Side.BUY, 5, 25),
        (OrderAction.AMEND, Side.SELL, 6, 25),
    ],
)
def test_order_types(action: OrderAction, side: Side, krx: int, nxt: int) -> None:
    assert order_type(KRX, action, side) == krx
    assert order_type(NXT, action, side) == nxt


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"hoga": None, "enabled": True}], "is enabled but its hoga code is not given"),
        ([{"enabled": False}], "is not enabled: say why"),
        ([{"hoga": "0"}], "should match pattern"),
        ([{}, {"phases": ["pause", "continuous"]}], "limit on NXT in continuous is given more than once"),
        ([{"phases": []}], "at least 1 item"),
        ([{"kind": "iceberg"}], "Input should be 'limit'"),
    ],
)
def test_refused_tables(rows: list[dict[str, Any]], complaint: str) -> None:
    good = {"venue": "NXT", "phases": ["continuous"], "kind": "limit", "hoga": "00", "enabled": True}
    HogaTable.model_validate({"code": [good]})
    with pytest.raises(ValidationError, match=complaint):
        HogaTable.model_validate({"code": [good | row for row in rows]})


def test_only_confirmed_kinds_are_left_for_live_trading(rules: MarketRules) -> None:
    live = rules.hoga.confirmed()
    assert live.kinds(NXT, P.CONTINUOUS) == {K.LIMIT}
    assert live.kinds(KRX, P.CONTINUOUS) == set(K)
    with pytest.raises(NoSuchOrderKind, match="nobody has confirmed it with an order"):
        live.hoga_code(NXT, P.CONTINUOUS, K.LIMIT_IOC)


@pytest.mark.parametrize("half", [{"confirmed_by": "kim"}, {"confirmed_on": "2026-12-01"}])
def test_a_confirmation_names_who_and_when(half: dict[str, str]) -> None:
    row = {"venue": "NXT", "phases": ["continuous"], "kind": "limit_ioc", "hoga": "10", "enabled": True}
    with pytest.raises(ValidationError, match="give confirmed_by and confirmed_on, or neither"):
        HogaTable.model_validate({"code": [{**row, **half}]})
    whole = {**row, "confirmed_by": "kim", "confirmed_on": "2026-12-01"}
    assert HogaTable.model_validate({"code": [whole]}).confirmed().kinds(NXT, P.CONTINUOUS) == {K.LIMIT_IOC}


def test_a_kind_taken_off_in_one_phase_stays_in_all_others(rules: MarketRules) -> None:
    for venue in Venue:
        for phase in SessionPhase:
            for kind in rules.hoga.kinds(venue, phase):
                less = rules.hoga.without(venue, phase, kind, "refused")
                changed = {
                    (v, p, k) for v in Venue for p in SessionPhase for k in K
                    if (k in rules.hoga.kinds(v, p)) is not (k in less.kinds(v, p))
                }  # fmt: skip
                assert changed == {(venue, phase, kind)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"confirmed_by": " ", "confirmed_on": "2026-12-01"},
            "give confirmed_by and confirmed_on, or neither",
        ),
        ({"confirmed_by": "...", "confirmed_on": "2026-12-01"}, "'...' names nobody"),
        ({"hoga": "03"}, "hoga 03 is the broker's code for market, not limit_ioc"),
        ({"hoga": "20"}, "hoga 20 is the broker's code for another kind"),
        ({"hoga": "99"}, "hoga 99 is no known code: try one share"),
    ],
)
def test_a_row_that_nobody_can_mean_is_refused(changes: dict[str, str], said: str) -> None:
    row = {"venue": "NXT", "phases": ["continuous"], "kind": "limit_ioc", "hoga": "10", "enabled": True}
    with pytest.raises(ValidationError, match=said):
        HogaTable.model_validate({"code": [{**row, **changes}]})


def test_a_person_may_confirm_a_code_that_no_list_has() -> None:
    row = {"venue": "KRX", "phases": ["after_market"], "kind": "limit", "hoga": "41", "enabled": True}
    confirmed = {**row, "confirmed_by": "kim", "confirmed_on": "2026-12-01"}
    assert HogaTable.model_validate({"code": [confirmed]}).hoga_code(KRX, P.AFTER_MARKET, K.LIMIT) == "41"
