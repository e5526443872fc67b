"""An upgrade in the middle of a pair: the state that the release before lives had stored is taken over.

`release/` holds the stored parts of services of that release, at one moment of a simulated day: the desk is
armed, one pair has bought a share, and its sell is on the way to the gateway.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from services.contracts.envelope import Envelope, Message
from services.contracts.limits import NS_PER_MS
from services.contracts.messages.control import (
    ArmRefused,
    FlattenRequested,
    FlattenStarted,
    RequestRefused,
    StopRequested,
    TradingStateRequested,
)
from services.contracts.messages.orders import OrderFacts, OrderFilled
from services.contracts.messages.pairs import ClipCompleted
from services.contracts.step import Received, State, Tick
from services.contracts.terms import OrderKind, Purpose, Side, TradingState, Venue
from services.executor import core as executor
from services.executor.settings import ExecutorSettings
from services.executor.state import ExecutorState
from services.risk import core as risk
from services.risk.state import RiskState
from services.runtime.parts import changed_parts, restore
from tests.unit.gateway.desk import fresh

RELEASE = Path(__file__).parent / "release"
PAIR_ID = "P6fb1146b70e3"
ARM = TradingStateRequested(target=TradingState.ARMED, by="kim", reason="t")
FLATTEN = FlattenRequested(by="kim", reason="t")
HALT = StopRequested(target=TradingState.HALTED, by="kim", reason="t")


@cache
def stored(service: str) -> tuple[int, dict[str, str]]:
    """When it was stored (Redis time), and its parts as Redis holds them."""
    kept = json.loads((RELEASE / f"{service}.json").read_text(encoding="utf-8"))
    return kept["now_ns"], {name: json.dumps(part) for name, part in kept["parts"].items()}


INITIAL: dict[str, State] = {
    "risk": RiskState(),
    "executor": ExecutorState(settings=ExecutorSettings(_env_file=None)),
}


def first_of(service: str) -> State:
    return fresh().state if service == "gateway" else INITIAL[service]


def heard(service: str, message: Message, *, of_release: bool) -> tuple[Any, list[Message]]:
    """Let the new build take the state over and read a message of the release or of its own time."""
    now_ns, parts = stored(service)
    now_ns += 1_000 * NS_PER_MS
    core: Any = risk if service == "risk" else executor
    state = restore(INITIAL[service], parts)
    state = core.decide(state, Tick(now_ns, 2)).state
    envelope = Envelope.wrap(message, source="cli", now_ns=now_ns, causation_id="c")
    if of_release:
        envelope = envelope.model_copy(update={"life_ms": 0})
    step = core.decide(state, Received(envelope, "control", f"{now_ns // NS_PER_MS}-0", now_ns))
    return step.state, [out.message for out in step.out]


@pytest.mark.parametrize("service", ["risk", "executor", "gateway"])
def test_the_state_of_the_release_is_taken_over_whole(service: str) -> None:
    _, parts = stored(service)
    taken = changed_parts(None, restore(first_of(service), parts))
    before = {name: json.loads(text) for name, text in parts.items()}
    for name, value in before.items():
        assert _holds(json.loads(taken[name]), _by_side(value)), name


def _by_side(stored: Any) -> Any:
    """What the release stored, with the figures of a threshold row for each side that may move last."""
    if isinstance(stored, list):
        return [_by_side(part) for part in stored]
    if not isinstance(stored, dict):
        return stored
    miss = {key: stored[key] for key in ("miss_rate", "loss_bps") if key in stored}
    rest = {key: _by_side(part) for key, part in stored.items() if key not in miss}
    return rest | ({"ask_moved_last": miss, "bid_moved_last": miss} if miss else {})


def _holds(taken: Any, value: Any) -> bool:
    """Whether everything that was stored is there; a new build may have added to it."""
    if isinstance(value, dict):
        return all(key in taken and _holds(taken[key], part) for key, part in value.items())
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return sorted(taken) == sorted(value)
    if isinstance(value, list):
        return len(taken) == len(value) and all(map(_holds, taken, value))
    return bool(taken == value)


def test_the_pair_goes_on_to_its_end() -> None:
    sold = OrderFacts(
        order_id=f"{PAIR_ID}.1.s.1", pair_id=PAIR_ID, symbol="000660", venue=Venue.NXT, side=Side.SELL,
        kind=OrderKind.LIMIT_IOC, purpose=Purpose.EXIT, qty_shares=1, price_krw=1_007_000,
        trading_date="2026-11-23", broker_order_no="7", cum_qty_shares=1, cum_amount_krw=1_007_000,
        commission_krw=146, tax_krw=2_014, closed=True,
    )  # fmt: skip
    fill = OrderFilled(facts=sold, last_qty_shares=1, last_amount_krw=1_007_000)
    _, said = heard("executor", fill, of_release=True)
    (clip,) = [message for message in said if isinstance(message, ClipCompleted)]
    assert (clip.bought_shares, clip.sold_shares, clip.residual_shares) == (1, 1, 0)


@pytest.mark.parametrize("service", ["risk", "executor"])
def test_a_stop_of_the_release_is_obeyed(service: str) -> None:
    state, _ = heard(service, HALT, of_release=True)
    in_force = state.trading.state if service == "risk" else state.trading.in_force
    assert in_force is TradingState.HALTED


def test_an_arming_of_the_release_is_refused_in_words() -> None:
    stopped, _ = heard("risk", HALT, of_release=True)
    old = Envelope.wrap(ARM, source="cli", now_ns=stopped.now_ns, causation_id="c")
    old = old.model_copy(update={"life_ms": 0})
    entry_id = f"{stopped.now_ns // NS_PER_MS}-0"
    step = risk.decide(stopped, Received(old, "control", entry_id, stopped.now_ns))
    (refused,) = [out.message for out in step.out if isinstance(out.message, ArmRefused)]
    assert "release" in refused.problems[0] and step.state.trading.state is TradingState.HALTED


def test_a_flatten_of_the_release_is_refused_and_one_of_the_new_build_sells() -> None:
    _, said = heard("executor", FLATTEN, of_release=True)
    (refused,) = [message for message in said if isinstance(message, RequestRefused)]
    assert "release" in refused.problem
    _, said = heard("executor", FLATTEN, of_release=False)
    (started,) = [message for message in said if isinstance(message, FlattenStarted)]
    assert started.pair_ids == (PAIR_ID,)
