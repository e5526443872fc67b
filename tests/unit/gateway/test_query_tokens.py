"""Which round may begin when few queries are left, and that one which waits bars no other."""

import pytest

from services.contracts.limits import NS_PER_MS, NS_PER_S, QUERY_LADDER
from services.contracts.messages.orders import OrderClosed
from services.gateway.query_desk import Ask, QueryDesk, RoundKind

from .desk import Desk, order
from .test_order_truth import row


def spent(now_ns: int, left: int) -> QueryDesk:
    """A desk that may still ask `left` times before the three minutes are over."""
    count, _ = QUERY_LADDER[1]
    return QueryDesk(history=tuple(now_ns - 2 * NS_PER_S - n * NS_PER_MS for n in range(count - left, 0, -1)))


def test_a_round_that_waits_for_tokens_bars_none_that_needs_none() -> None:
    now_ns = 10**13
    waiting, none = spent(now_ns, left=14).want(RoundKind.ACCOUNT, (Ask("a"), Ask("b"))).next(now_ns)
    assert none is None
    _, query = waiting.want(RoundKind.RESOLVE, (Ask("r"),)).next(now_ns)
    assert query is not None
    assert query.trcode == "r"


@pytest.mark.parametrize("kind", [RoundKind.DAY, RoundKind.ORDERS, RoundKind.ACCOUNT])
def test_a_round_begins_only_where_all_of_it_leaves_what_is_kept(kind: RoundKind) -> None:
    now_ns, asks = 10**13, (Ask("a"), Ask("b"), Ask("c"))
    assert spent(now_ns, left=kind.kept + 2).want(kind, asks).next(now_ns)[1] is None
    desk = spent(now_ns, left=kind.kept + 3).want(kind, asks)
    for ask in asks:
        now_ns += NS_PER_S // 2
        desk, query = desk.next(now_ns)
        assert query is not None and query.trcode == ask.trcode
        desk, _ = desk.answered(query.rqname, False, {}, ())


def test_an_order_whose_end_was_never_told_is_found_while_the_account_waits_for_tokens(
    desk: Desk,
) -> None:
    """Found by a drill: five logins had left 14 queries, the account wanted 16 and stood in the way."""
    account = (Ask("OPW00001"), Ask("OPW00018"))
    desk.hear(order(desk.now_ns), "o")
    (send,) = desk.sends
    desk.answer(send, "0000001")
    desk.broker.rows = [row(send, "0000001", cum=0, amount=0, remaining=0)]
    desk.state = desk.state.but(desk=spent(desk.now_ns, left=14).want(RoundKind.ACCOUNT, account))
    desk.run(30)
    (closed,) = desk.told(OrderClosed)
    assert closed.facts.cum_qty_shares == 0
