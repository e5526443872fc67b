"""Which order kinds a venue takes now, and what the broker's refusals teach about it.

A kind that the broker says is not possible is not sent there again in that phase by this process. An
order refused as out of session closes the entry window until the venue's next phase.
"""

from dataclasses import replace

from services.contracts.alert_codes import AlertCode
from services.contracts.envelope import Message
from services.contracts.messages.orders import OrderFacts
from services.contracts.messages.venue_state import SessionPhaseChanged
from services.contracts.terms import SessionPhase, Severity
from services.gateway.session_desk import NEVER
from services.gateway.turn import Turn
from services.market.errors import NotCovered

KIND_NOT_POSSIBLE = ("407022", "521790", "주문유형이 가능하지", "거래구분")
OUT_OF_SESSION = (
    "RC4010", "505217", "571034", "접수시간이 아닙니다", "주문시간이 아닙니다", "장종료", "장이 종료",
    "장개시전", "장 개시 전",
)  # fmt: skip
"""Codes and words of refusals (Kiwoom REST sheet C). A text that holds none of them teaches nothing."""


def say_all(turn: Turn) -> None:
    """Say the whole state of the day, for readers who come new."""
    state = turn.state
    say(turn, state.session.everything(state.clock.market_time(turn.now_ns).strftime("%H:%M:%S")))


def say(turn: Turn, messages: tuple[Message, ...]) -> None:
    """Say what changed of the day, each phase with the order kinds that can be sent in it."""
    for message in messages:
        if isinstance(message, SessionPhaseChanged):
            kinds = turn.state.rules.hoga.kinds(message.venue, message.phase)
            message = message.model_copy(update={"order_kinds": tuple(sorted(kinds))})
        turn.say(message)


def sessions_without_codes(turn: Turn) -> tuple[str, ...]:
    """A sentence for each enabled session of today in which a venue takes no order that can be sent."""
    try:
        return turn.state.rules.sessions_without_codes(turn.state.session.trading_date)
    except (NotCovered, ValueError):
        return ()


def refused(turn: Turn, facts: OrderFacts, text: str) -> None:
    """Learn from the refusal of a new order."""
    phase = turn.state.session.phases.get(facts.venue, SessionPhase.CLOSED)
    if any(word in text for word in KIND_NOT_POSSIBLE):
        _without_kind(turn, facts, phase, text)
    elif any(word in text for word in OUT_OF_SESSION):
        _without_session(turn, facts, phase, text)


def _without_kind(turn: Turn, facts: OrderFacts, phase: SessionPhase, text: str) -> None:
    state = turn.state
    if facts.kind not in state.rules.hoga.kinds(facts.venue, phase):
        return
    hoga = state.rules.hoga.without(facts.venue, phase, facts.kind, f"the broker refused it: {text}")
    turn.set(rules=replace(state.rules, hoga=hoga))
    turn.alert(
        f"kind-{facts.venue}-{phase}-{facts.kind}", AlertCode.ORDER_KIND_REFUSED, Severity.WARNING,
        {"kind": facts.kind, "venue": facts.venue, "phase": phase, "problem": text, "pair": facts.pair_id},
    )  # fmt: skip
    say_all(turn)


def _without_session(turn: Turn, facts: OrderFacts, phase: SessionPhase, text: str) -> None:
    session = turn.state.session
    if (facts.venue, phase) in session.refused:
        return
    shut = replace(session, refused=session.refused | {(facts.venue, phase)}, steady=NEVER)
    session, said = shut.now(turn.state.clock, turn.state.rules, turn.now_ns)
    turn.set(session=session)
    say(turn, said)
    turn.alert(
        f"session-{facts.venue}-{phase}", AlertCode.SESSION_REFUSED, Severity.CRITICAL,
        {"venue": facts.venue, "phase": phase, "problem": text},
    )  # fmt: skip
