"""The completeness check: a whole record explains every order, and each thing left out of it is named."""

from collections.abc import Callable
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.envelope import Envelope, Message
from services.contracts.messages.commands import PlaceOrder
from services.contracts.messages.control import ReferencePublished, ResidualClaimed, SymbolResumed
from services.contracts.messages.intents import TradeIntent
from services.contracts.messages.market_data import QuoteUpdated
from services.contracts.messages.orders import (
    CommandDenied,
    ForeignOrderSeen,
    OrderClosed,
    OrderFacts,
    OrderFilled,
    OrderResolved,
    OrderSent,
    Resolution,
)
from services.contracts.messages.pairs import PairApproved, PairClosed, PairOutcome, ResidualMarked
from services.contracts.messages.status import Heartbeat
from services.contracts.reasons import GateReason
from services.contracts.streams import DEFAULT_GATEWAY, home_of, key_of
from services.contracts.terms import OrderKind, Purpose, TradingDate
from services.lab.closings import brings
from services.lab.journal_audit import UNDER_WAY_NS, Audit, audit
from services.market.market_clock import REAL_TIME
from services.notifier.journal_line import Gap
from services.notifier.journal_record import read_date
from services.notifier.journal_writer import Batch, JournalWriter
from tests.contracts.examples import (
    BOUGHT,
    BUY_ID,
    DAY,
    EXAMPLES,
    HASH,
    PAIR_ID,
    SAMSUNG,
    SEEN_KRX,
    SEEN_NXT,
    SELL_ID,
    SOLD,
    UNSENT,
)

EIGHT_NS = 1_795_388_400 * 10**9
"""08:00 in Korea on the day of the examples."""
DAY_NS = 86_400 * 10**9
BUILD = "0a1b2c3d4e5f"
HAND = ForeignOrderSeen.model_validate({**EXAMPLES["ForeignOrderSeen"].model_dump(), "symbol": SAMSUNG})

QUOTE_IDS = {seen.quote.venue: seen.message_id for seen in (SEEN_KRX, SEEN_NXT)}

Said = tuple[str, int, Message]
"""Who said what, and how many ms after 08:00."""


def example(of: type[Message], **changes: Any) -> Any:
    return of.model_validate({**EXAMPLES[of.__name__].model_dump(), **changes})


def beat(service: str, started_ms: int, build_id: str = BUILD) -> Heartbeat:
    made: Heartbeat = example(
        Heartbeat, service=service, build_id=build_id, started_at_ns=EIGHT_NS + started_ms * 10**6
    )
    return made


def sale(facts: OrderFacts = SOLD) -> PlaceOrder:
    made: PlaceOrder = example(
        PlaceOrder, order_id=SELL_ID, venue=facts.venue, side=facts.side, price_krw=facts.price_krw,
        kind=OrderKind.LIMIT_IOC, purpose=Purpose.EXIT,
    )  # fmt: skip
    return made


def whole_day() -> list[Said]:
    """The record of one pair, from the reference data to its close."""
    return [
        ("executor", 0, beat("executor", -1_000)),
        ("gateway", 0, beat("gateway", -1_000)),
        ("risk", 1, example(ReferencePublished, reference_hash=HASH)),
        ("gateway", 98, SEEN_KRX.quote),
        ("gateway", 99, SEEN_NXT.quote),
        ("detector-g1", 100, example(TradeIntent)),
        ("risk", 101, example(PairApproved)),
        ("executor", 102, example(PlaceOrder)),
        ("gateway", 103, OrderSent(facts=UNSENT)),
        ("gateway", 104, OrderFilled(facts=BOUGHT, last_qty_shares=5, last_amount_krw=355_000)),
        ("gateway", 105, OrderClosed(facts=BOUGHT, reason="filled")),
        ("executor", 106, sale()),
        ("gateway", 107, OrderClosed(facts=SOLD, reason="filled")),
        ("executor", 108, example(PairClosed)),
        ("gateway", 900_000, beat("gateway", -1_000)),
    ]


def written(root: Path, said: list[Said], start_ns: int = EIGHT_NS) -> Path:
    """Write what was said into a journal, as the notifier does."""
    writer = JournalWriter(root, {}, REAL_TIME.trading_date_at, 1_000_000)
    for number, (source, after_ms, message) in enumerate(said):
        at_ns = start_ns + after_ms * 10**6
        envelope = Envelope.wrap(message, source=source, now_ns=at_ns, causation_id=f"{start_ns}-{number}")
        if isinstance(message, QuoteUpdated):
            envelope = envelope.model_copy(update={"id": QUOTE_IDS[message.venue]})
        key = key_of(home_of(type(message)), DEFAULT_GATEWAY)
        writer.append(Batch(key, [(f"{at_ns // 10**6}-{number}", envelope.encode().encode())]))
    writer.close()
    return root


def audited(root: Path, said: list[Said]) -> Audit:
    return audit(read_date(written(root, said), DAY))


def problems(found: Audit) -> list[tuple[str, str]]:
    return [(finding.about, finding.problem) for finding in found.findings]


def test_a_whole_record_explains_every_order_by_pair_intent_limits_and_build(tmp_path: Path) -> None:
    found = audited(tmp_path, whole_day())
    assert problems(found) == []
    assert (found.pairs, found.by_hand) == (1, 0)
    assert [row.order_id for row in found.orders] == [BUY_ID, SELL_ID]
    buy = found.orders[0]
    assert (buy.pair_id, buy.reference_hash, buy.end, buy.filled_shares) == (PAIR_ID, HASH, "closed", 5)
    assert buy.intent_id == EXAMPLES["TradeIntent"].model_dump()["intent_id"]
    assert (buy.commanded_by, buy.told_by, buy.broker_order_no) == (BUILD, BUILD, "0012345")


@pytest.mark.parametrize(
    "left_out, about, problem",
    [
        (ReferencePublished, BUY_ID, "reference data"),
        (TradeIntent, BUY_ID, "the intent"),
        (PairApproved, BUY_ID, "no approval"),
        (PlaceOrder, BUY_ID, "nobody commanded it"),
        (OrderClosed, SELL_ID, "what became of it is not on record"),
        (PairClosed, PAIR_ID, "neither closed nor named stranded"),
        (Heartbeat, BUY_ID, "which build of executor"),
    ],
)
def test_whatever_is_left_out_of_the_record_is_named(
    tmp_path: Path, left_out: type[Message], about: str, problem: str
) -> None:
    last: Said = ("risk", 900_000, beat("risk", 0))
    said = [line for line in whole_day() if not isinstance(line[2], left_out)]
    later = [*said, ("risk", 900_000, example(ReferencePublished, reference_hash="another")), last]
    found = problems(audited(tmp_path, later))
    assert any(what == about and problem in why for what, why in found), found


@pytest.mark.parametrize(
    "change, about, problem",
    [
        (lambda m: m.model_copy(update={"bought_krw": 355_100}), PAIR_ID, "its close says"),
        (lambda m: m.model_copy(update={"sold_shares": 4}), PAIR_ID, "its close says"),
        (lambda m: m.model_copy(update={"tax_krw": m.tax_krw - 1}), PAIR_ID, "its close says"),
    ],
)
def test_a_close_that_its_fills_do_not_bear_out_is_named(
    tmp_path: Path, change: Callable[[PairClosed], PairClosed], about: str, problem: str
) -> None:
    said = [(by, at, change(m) if isinstance(m, PairClosed) else m) for by, at, m in whole_day()]
    assert [(what, why[: len(problem)]) for what, why in problems(audited(tmp_path, said))] == [
        (about, problem)
    ]


def test_costs_told_after_the_close_are_in_the_close_that_is_said_again(tmp_path: Path) -> None:
    dear = SOLD.model_copy(update={"tax_krw": SOLD.tax_krw + 7})
    late: Said = ("gateway", 200, OrderFilled(facts=dear, last_qty_shares=0, last_amount_krw=0))
    first = EXAMPLES["PairClosed"].model_dump()
    again = example(
        PairClosed, tax_krw=first["tax_krw"] + 7, realised_pnl_krw=first["realised_pnl_krw"] - 7, closings=2
    )
    assert {about for about, _ in problems(audited(tmp_path / "once", [*whole_day(), late]))} == {PAIR_ID}
    said = [*whole_day(), late, ("executor", 210, again)]
    assert problems(audited(tmp_path / "again", said)) == []


def test_a_fill_beyond_the_approval_is_named(tmp_path: Path) -> None:
    said = [
        (by, at, m.model_copy(update={"qty_shares": 4}) if isinstance(m, PairApproved) else m)
        for by, at, m in whole_day()
    ]
    assert problems(audited(tmp_path, said)) == [(PAIR_ID, "5 shares were bought, 4 approved")]


def test_an_order_that_is_not_what_was_commanded_is_named(tmp_path: Path) -> None:
    said = [
        (by, at, m.model_copy(update={"qty_shares": 9}) if isinstance(m, PlaceOrder) else m)
        for by, at, m in whole_day()
    ]
    found = [what for what, why in problems(audited(tmp_path, said)) if "not what was commanded" in why]
    assert found == [BUY_ID, SELL_ID]


def test_two_orders_of_one_broker_number_are_named(tmp_path: Path) -> None:
    same = SOLD.model_copy(update={"broker_order_no": BOUGHT.broker_order_no})
    said = [*whole_day(), ("gateway", 200, OrderClosed(facts=same, reason="filled"))]
    found = dict(problems(audited(tmp_path, said)))
    assert "several broker orders" in found[SELL_ID] or "is also" in found[SELL_ID]


@pytest.mark.parametrize(
    "end, word",
    [
        (CommandDenied(order_id=BUY_ID, pair_id=PAIR_ID, symbol=SAMSUNG, reason=GateReason.LEASE, detail=""),
         "denied: lease"),
        (OrderResolved(facts=UNSENT, resolution=Resolution.NEVER_ARRIVED, evidence="none"), "never arrived"),
    ],
)  # fmt: skip
def test_a_refusal_and_an_order_that_never_arrived_are_ends(tmp_path: Path, end: Message, word: str) -> None:
    said = [line for line in whole_day() if line[1] <= 102 and not isinstance(line[2], PairClosed)]
    found = audited(tmp_path, [*said, ("gateway", 103, end), ("risk", 900_000, example(ReferencePublished))])
    assert problems(found) == [] and found.orders[0].end == word


def test_what_has_just_begun_is_not_asked_for_its_end(tmp_path: Path) -> None:
    said = [line for line in whole_day() if line[1] <= 104]
    within: Said = ("risk", 102 + UNDER_WAY_NS // 10**6, example(ReferencePublished, reference_hash="x"))
    assert problems(audited(tmp_path / "within", [*said, within])) == []
    beyond: Said = ("risk", within[1] + 2, within[2])
    assert problems(audited(tmp_path / "beyond", [*said, beyond])) != []


def test_a_hand_order_is_explained_once_a_person_has_said_whose_it_is(tmp_path: Path) -> None:
    """The symbol's pause before is no word about it, nor is an order of a symbol that we do not trade."""
    resumed: Said = ("risk", 500, example(SymbolResumed, symbol=SAMSUNG))
    seen: Said = ("gateway", 400, HAND)
    for name, said, about in (
        ("unnamed", [seen], ["broker order 0099001"]),
        ("named before", [("cli", 300, resumed[2]), seen], ["broker order 0099001"]),
        ("named", [seen, resumed], []),
        ("claimed", [seen, ("cli", 500, example(ResidualClaimed))], []),
        ("not ours to trade", [("gateway", 400, example(ForeignOrderSeen))], []),
    ):
        found = audited(tmp_path / name, [*whole_day(), *said])
        assert (name, [finding.about for finding in found.findings]) == (name, about)
        assert found.by_hand == 1


BOUGHT_KRW = BOUGHT.cum_amount_krw + BOUGHT.commission_krw + BOUGHT.tax_krw


def claimed_day(profit_krw: int, *brought_krw: int) -> list[Said]:
    """Bought, not sold, and claimed: the close says a profit, and the claims what they brought."""
    kept = [line for line in whole_day() if not isinstance(line[2], PairClosed) and line[1] not in (106, 107)]
    closed = example(
        PairClosed, outcome=PairOutcome.CLAIMED, sold_shares=0, sold_krw=0, realised_pnl_krw=profit_krw,
        commission_krw=BOUGHT.commission_krw, tax_krw=BOUGHT.tax_krw,
    )  # fmt: skip
    claims: list[Said] = [
        ("cli", 125, example(ResidualClaimed, pair_id=PAIR_ID, amount_krw=krw)) for krw in brought_krw
    ]
    return [*kept, ("executor", 120, example(ResidualMarked)), *claims, ("executor", 130, closed)]


@pytest.mark.parametrize(
    ("profit_krw", "brought_krw", "explained"),
    [
        (350_000 - BOUGHT_KRW, [350_000], True),
        (350_000 - BOUGHT_KRW, [340_000, 350_000], True),
        (700_000 - BOUGHT_KRW, [350_000, 350_000], True),
        (350_001 - BOUGHT_KRW, [350_000], False),
        (350_000 - BOUGHT_KRW, [], False),
        (-BOUGHT_KRW, [], False),
    ],
)
def test_the_profit_of_a_claimed_pair_is_what_its_claims_brought(
    tmp_path: Path, profit_krw: int, brought_krw: list[int], explained: bool
) -> None:
    found = problems(audited(tmp_path, claimed_day(profit_krw, *brought_krw)))
    assert [about for about, _ in found] == ([] if explained else [PAIR_ID])


@given(st.lists(st.integers(0, 30) | st.integers(0, 10**9), max_size=7), st.data())
def test_which_claims_brought_a_profit_is_what_trying_all_choices_says(
    amounts: list[int], data: st.DataObject
) -> None:
    choices = (combinations(amounts, size) for size in range(1, len(amounts) + 1))
    sums = {sum(choice) for choice in chain.from_iterable(choices)}
    near = st.sampled_from(sorted(sums)) if sums else st.nothing()
    wanted = data.draw(near | st.integers(-5, 60) | st.integers(0, 7 * 10**9))
    assert brings(amounts, wanted) is (wanted in sums)


def test_many_claims_of_a_pair_take_no_time_that_doubles_with_each() -> None:
    """Of a hundred with two amounts the sums are few; where there are too many, nobody can tell."""
    assert brings([350_000, 340_000] * 50, 50 * 690_000) is True
    assert brings([350_000, 340_000] * 50, 350_001) is False
    assert brings([10**12 + 3**number for number in range(40)], 20 * 10**12 + 1) is None


def test_a_profit_that_fills_and_costs_do_not_come_to_is_named(tmp_path: Path) -> None:
    said = [
        (by, at, m.model_copy(update={"realised_pnl_krw": m.realised_pnl_krw + 1}))
        if isinstance(m, PairClosed) else (by, at, m)
        for by, at, m in whole_day()
    ]  # fmt: skip
    ((about, problem),) = problems(audited(tmp_path, said))
    assert about == PAIR_ID and "a profit of 683 KRW; its fills less costs come to 682" in problem


def with_quote(**changes: Any) -> list[Said]:
    return [
        (by, at, m.model_copy(update=changes)) if m is SEEN_KRX.quote else (by, at, m)
        for by, at, m in whole_day()
    ]


def intent_of(**changes: Any) -> list[Said]:
    return [
        (by, at, m.model_copy(update=changes)) if isinstance(m, TradeIntent) else (by, at, m)
        for by, at, m in whole_day()
    ]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ([line for line in whole_day() if line[2] is not SEEN_KRX.quote], "KRX is not on record"),
        (with_quote(feed_seq=1), "with another book"),
        (intent_of(quote_a=SEEN_NXT), "is of 005930 on NXT, its leg of 005930 on KRX"),
        (intent_of(qty_shares=10**9), "shares at None KRW"),
    ],
    ids=["missing", "another book", "of another venue", "too few shares"],
)
def test_a_quote_that_does_not_bear_out_its_intent_is_named(
    tmp_path: Path, said: list[Said], problem: str
) -> None:
    found = problems(audited(tmp_path, said))
    assert {about for about, _ in found} == {PAIR_ID} and problem in found[0][1]


def test_a_close_without_an_approval_on_record_is_named(tmp_path: Path) -> None:
    stray = example(PairClosed, pair_id="P0", bought_shares=0, sold_shares=0)
    found = problems(audited(tmp_path, [*whole_day(), ("executor", 200, stray)]))
    assert found == [("P0", "it was closed, and no approval of it is on record")]


def test_the_build_is_that_of_the_process_that_ran_when_it_was_said(tmp_path: Path) -> None:
    """A heartbeat that comes late still tells which process gave the command."""
    said = [*whole_day(), ("executor", 2_000, beat("executor", 105, "later build"))]
    found = audited(tmp_path, said)
    assert [row.commanded_by for row in found.orders] == [BUILD, "later build"]


@pytest.mark.parametrize("dearer_krw", [0, 7])
def test_a_pair_that_was_carried_is_looked_up_on_the_date_before(tmp_path: Path, dearer_krw: int) -> None:
    before = [line for line in whole_day() if line[1] <= 105]
    written(tmp_path, before)
    today = TradingDate("2026-11-24")
    sold = SOLD.model_copy(update={"trading_date": today, "tax_krw": SOLD.tax_krw + dearer_krw})
    written(
        tmp_path,
        [("executor", 0, beat("executor", -1_000)), ("gateway", 0, beat("gateway", -1_000)),
         ("gateway", 1, OrderSent(facts=UNSENT)),
         ("executor", 106, sale(sold)), ("gateway", 107, OrderClosed(facts=sold, reason="filled")),
         ("executor", 108, example(PairClosed))],
        EIGHT_NS + DAY_NS,
    )  # fmt: skip
    found = audit(read_date(tmp_path, today))
    assert [row.order_id for row in found.orders] == [SELL_ID]
    assert found.orders[0].intent_id and found.pairs == 0
    assert {about for about, _ in problems(found)} == ({PAIR_ID} if dearer_krw else set())


def test_a_hole_in_the_record_is_a_finding_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, whole_day())
    key = key_of(home_of(OrderClosed))
    writer = JournalWriter(tmp_path, {}, REAL_TIME.trading_date_at, 1_000_000)
    last = EIGHT_NS // 10**6 + 5_000
    hole = Gap(f"{last}-0", f"{last + 9}-0")
    writer.append(Batch(key, [(f"{last + 9}-0", b"no message")], hole))
    writer.close()
    found = audit(read_date(tmp_path, DAY))
    assert [finding.about for finding in found.findings] == ["orders", "orders"]
    assert hole.to_id in found.findings[0].problem and "cannot be read" in found.findings[1].problem
