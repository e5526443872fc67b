"""What pairs bought on earlier dates and hold, and what a person takes off them.

Owns that shares under a sell which was never seen to close are neither lost to their pair nor sold a second
time: they are for sale again when the account of the new date still shows them.
"""

from collections.abc import Mapping
from dataclasses import replace

from services.contracts.messages.control import ResidualClaimed
from services.contracts.messages.orders import OrderClosed
from services.contracts.terms import Side, Symbol
from services.gateway import truth
from services.gateway.effects import Note
from services.gateway.intention_log import carried, claimed
from services.gateway.order_table import NOT_COUNTED, OrderRecord, Stage
from services.gateway.turn import Turn

UNLISTED = 2
"""An order with a number that so many lists, apart, do not show is told as a difference."""


def note(turn: Turn) -> None:
    """Remember it where a Redis that forgets does not matter."""
    state = turn.state
    if state.carried or state.over_night.doubtful:
        line = carried(state.carried, state.over_night, state.account)
        turn.do(Note(line, state.trading_date))


def settle(turn: Turn, held: Mapping[Symbol, int]) -> None:
    """Hold doubtful shares against what the account held before the orders of this date: what it has beyond
    what others and other pairs hold was not sold. Without the account of the date before only a person can
    tell."""
    night = turn.state.over_night
    if not night.doubtful or night.others is None:
        return
    shares = dict(turn.state.carried)
    left: dict[Symbol, int] = {}
    for pair_id, doubtful in sorted(night.doubtful.items()):
        symbol = night.symbols.get(pair_id)
        if symbol is None:
            continue
        room = left.setdefault(symbol, _room(turn, symbol, held))
        still = max(0, min(room, doubtful))
        left[symbol] = room - still
        shares[pair_id] = shares.get(pair_id, 0) + still
        if still == doubtful:
            _close_unsold(turn, pair_id)
    kept = {pair_id: qty for pair_id, qty in shares.items() if qty}
    turn.set(
        carried=kept,
        over_night=replace(night, doubtful={}),
        orders=replace(turn.state.orders, carried=kept, carried_symbols=night.symbols, unsold=NOT_COUNTED),
    )
    note(turn)


def _room(turn: Turn, symbol: Symbol, held: Mapping[Symbol, int]) -> int:
    night = turn.state.over_night
    others = 0 if night.others is None else night.others.get(symbol, 0)
    certain = sum(qty for pair_id, qty in turn.state.carried.items() if night.symbols.get(pair_id) == symbol)
    return held.get(symbol, 0) - others - certain


def _close_unsold(turn: Turn, pair_id: str) -> None:
    """The account has all of it: the sells of the date before died with nothing more filled."""
    for record in list(turn.state.earlier.values()):
        facts = record.facts
        over = record.stage is Stage.CLOSED or not record.is_order
        if over or facts.pair_id != pair_id or facts.side is not Side.SELL:
            continue
        facts = facts.model_copy(update={"closed": True})
        closed = replace(record, facts=facts, stage=Stage.CLOSED)
        turn.set(earlier={**turn.state.earlier, record.order_id: closed})
        turn.say(OrderClosed(facts=facts, reason="the account still holds its shares"), pair_id)


def claim(turn: Turn, word: ResidualClaimed) -> None:
    """A person sold what a pair holds: nothing of it is for sale any more, and an order of it that only a
    person could tell from others, or that the broker does not list, is over. What the executor refuses (it
    says why) changes nothing here."""
    orders, pair_id = turn.state.orders, word.pair_id
    doubtful = turn.state.over_night.doubtful
    known = pair_id in orders.by_pair or pair_id in orders.carried or pair_id in doubtful
    open_ = [r for r in orders.of_pair(pair_id) if r.is_order and r.stage is not Stage.CLOSED]
    if not known or pair_id in orders.claimed or not all(map(_only_a_person_can_tell, open_)):
        return
    uncertain = open_ or pair_id in doubtful
    if not uncertain and word.qty_shares != abs(orders.sellable_shares(pair_id)):
        return
    for record in open_:
        truth.end_by_person(turn, record, word.by)
    left = {key: qty for key, qty in doubtful.items() if key != pair_id}
    now_claimed = turn.state.claimed | {pair_id}
    turn.set(
        claimed=now_claimed,
        over_night=replace(turn.state.over_night, doubtful=left),
        orders=turn.state.orders.with_claimed(now_claimed),
    )
    turn.do(Note(claimed(pair_id, turn.state.account), turn.state.session.trading_date))


def _only_a_person_can_tell(record: OrderRecord) -> bool:
    return record.ambiguous or record.absences >= UNLISTED
