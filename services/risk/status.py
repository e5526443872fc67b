"""What risk says each second, and what it tells once: gates that closed while armed, limits exceeded."""

from services.contracts.messages.status import RiskStatus
from services.contracts.step import Outgoing, Step
from services.risk import alerts
from services.risk.exposure import marked_gain, realised_krw, total_exposure_krw
from services.risk.gates import Gate, GateKey, closed_gates
from services.risk.ledger import orders_of_the_day
from services.risk.state import RiskState

EXPOSURE_BREACH = "exposure"
ORDERS_BREACH = "orders"


def status_of(state: RiskState, gates: tuple[Gate, ...]) -> RiskStatus:
    """The state of the desk in one message. The change of cash is against the day's first report."""
    cash_krw = 0 if state.account is None else state.account.report.cash_krw
    opening_krw = cash_krw if state.day.opening_cash_krw is None else state.day.opening_cash_krw
    return RiskStatus(
        state=state.trading.state,
        latches=state.trading.latched,
        gates=tuple(gate.sentence for gate in gates),
        open_pairs=len(state.pairs),
        exposure_krw=total_exposure_krw(state),
        realised_pnl_krw=realised_krw(state),
        marked_pnl_krw=marked_gain(state).gain_krw,
        trips=sum(state.day.trips.values()),
        intents=state.day.intents,
        approvals=state.day.approvals,
        denials=state.day.denials,
        cash_krw=cash_krw,
        cash_change_krw=0 if state.account is None else cash_krw - opening_krw,
        provisional=state.reference is not None and state.reference.provisional,
        proposals=tuple(state.proposals.values()),
        stop_count=state.trading.stop_count,
        last_stop=state.trading.last_stop,
        orders=orders_of_the_day(state),
    )


def report(state: RiskState, now_ns: int) -> Step[RiskState]:
    """Return the status and the alerts of gates and breaches that began or ended.

    A gate is told when it is found closed twice in a row: one that only blinks wakes nobody.
    """
    gates = closed_gates(state, now_ns)
    closed = {gate.key.value: gate for gate in gates if gate.key.told_by_risk}
    known = state.told - {EXPOSURE_BREACH, ORDERS_BREACH}
    lasting = state.closed_before & set(closed) if state.trading.state.allows_entries else set()
    begun, ended = sorted(lasting - known), sorted(known - set(closed))
    out = [Outgoing(status_of(state, gates))]
    for name in (*begun, *ended):
        out.append(Outgoing(alerts.gate(closed.get(name), GateKey(name))))
    told = (state.told | set(begun)) - set(ended)
    step = _breach(_with_told(state, told).but(closed_before=frozenset(closed)))
    return Step(step.state.but(status_at_ns=now_ns), (*out, *step.out))


def _breach(state: RiskState) -> Step[RiskState]:
    if state.reference is None:
        return Step(state)
    limits, out = state.reference.limits, []
    worst_krw, sent = total_exposure_krw(state), orders_of_the_day(state)
    exposed, spent = worst_krw > limits.max_exposure_total_krw, sent >= limits.max_orders_per_day
    if exposed != (EXPOSURE_BREACH in state.told):
        out.append(alerts.exposure_breach(worst_krw, limits.max_exposure_total_krw, over=exposed))
    if spent != (ORDERS_BREACH in state.told):
        out.append(alerts.orders_spent(sent, limits.max_orders_per_day, over=spent))
    now = frozenset({EXPOSURE_BREACH} if exposed else ()) | frozenset({ORDERS_BREACH} if spent else ())
    told = (state.told - {EXPOSURE_BREACH, ORDERS_BREACH}) | now
    return Step(_with_told(state, told), tuple(Outgoing(alert) for alert in out))


def _with_told(state: RiskState, told: frozenset[str]) -> RiskState:
    """The same object where nothing changed: what is durable is written when it is another one."""
    if told == state.told:
        return state
    changed: RiskState = state.but(told=told)
    return changed
