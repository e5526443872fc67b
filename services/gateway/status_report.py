"""What the gateway says of itself once a second, and the warning that the hour's queries run out."""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.limits import NS_PER_MS, NS_PER_S, QUERY_LADDER
from services.contracts.messages.alerts import Fact
from services.contracts.messages.status import GatewayStatus
from services.contracts.terms import GatewayMode, Severity, Venue
from services.gateway.facts import Clocked
from services.gateway.limiter import ORDER_LADDER, in_window, tokens
from services.gateway.turn import Turn


def report(turn: Turn, fact: Clocked) -> None:
    """Say how things are, once a second."""
    if turn.now_ns - turn.state.rhythm.status_ns < NS_PER_S:
        return
    turn.set(rhythm=replace(turn.state.rhythm, status_ns=turn.now_ns))
    _query_allowance(turn)
    state = turn.state
    ages = {venue.value: (turn.now_ns - at) // NS_PER_MS for venue, at in fact.last_book_ns.items()}
    turn.say(
        GatewayStatus(
            mode=state.settings.mode, connection=state.link.state, connection_epoch=state.connection_epoch,
            account=_masked(state.link.account, state.settings.mode), trading_date=state.session.trading_date,
            market_time=state.clock.market_time(turn.now_ns).strftime("%H:%M:%S"),
            phases=dict(state.session.phases), entry_window_open=state.session.window.open,
            last_event_age_ms={venue.value: ages.get(venue.value, -1) for venue in Venue},
            queue_depths={**fact.queue_depths, "orders": len(state.queue)},
            order_tokens=tokens(state.order_history, turn.now_ns, ORDER_LADDER),
            query_tokens=tokens(state.desk.history, turn.now_ns, QUERY_LADDER),
            orders_sent=state.rhythm.orders_sent, order_calls=state.rhythm.order_calls,
            queries_sent=state.desk.sent,
            orders_in_window_max=state.rhythm.orders_in_window_max,
            quotes_published=fact.quotes_published, quotes_conflated=fact.quotes_conflated,
            subscribed=sum(len(item.codes) for item in state.registered),
            lease_left_ms=state.lease.left_ms(turn.mono_ns), dates=state.dates.findings,
            halt_file=state.rhythm.halt_entry or ("supervisor" if state.rhythm.halt_why else ""),
        )
    )  # fmt: skip


def _query_allowance(turn: Turn) -> None:
    """Warn where a fifth of the hour's queries is left, until two fifths are: a restart needs many."""
    limit, window_ns = QUERY_LADDER[-1]
    left = limit - in_window(turn.state.desk.history, turn.now_ns, window_ns)
    was = turn.state.rhythm.queries_scarce
    scarce = left * 5 < (limit * 2 if was else limit)
    if scarce is was:
        return
    turn.set(rhythm=replace(turn.state.rhythm, queries_scarce=scarce))
    facts: dict[str, Fact] = {"left": left, "limit": limit, "span": window_ns // NS_PER_MS}
    turn.alert("queries", AlertCode.QUERIES_SPENT, Severity.WARNING, facts, resolved=not scarce)


def _masked(account: str, mode: GatewayMode) -> str:
    """A live account's number stays out of streams and screens but for its end."""
    return f"******{account[-4:]}" if mode is GatewayMode.LIVE and account else account
