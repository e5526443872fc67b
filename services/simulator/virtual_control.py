"""The emulated control without Qt and without a socket, for whole days in one thread and virtual time.

It has what a bridge uses of the control: `dynamicCall`, `clear`, and the events as attributes with
`connect`. Time is whoever advances the world; `deliver` hands over what came, `pump` fires the events.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from services.simulator.control_core import ControlCore
from services.simulator.events import Event
from services.simulator.prototypes import resolve
from services.simulator.world import World

SIGNALS = (
    "OnEventConnect",
    "OnReceiveTrData",
    "OnReceiveRealData",
    "OnReceiveMsg",
    "OnReceiveChejanData",
    "OnReceiveRealCondition",
    "OnReceiveTrCondition",
    "OnReceiveConditionVer",
)


class Signal:
    """Slots of one event. A slot may take fewer arguments than the event has."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: list[tuple[Callable[..., Any], int | None]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        self._slots.append((slot, _capacity(slot)))

    def emit(self, *values: Any) -> None:
        for slot, capacity in list(self._slots):
            slot(*values[:capacity])


def _capacity(slot: Callable[..., Any]) -> int | None:
    """How many positional values the slot takes; None when there is no end."""
    kinds = [parameter.kind for parameter in inspect.signature(slot).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for kind in kinds if kind in positional)


class VirtualControl:
    """One control of `world`; `clock` gives the core's time at each call."""

    OnEventConnect: Signal
    OnReceiveTrData: Signal
    OnReceiveRealData: Signal
    OnReceiveMsg: Signal
    OnReceiveChejanData: Signal
    OnReceiveRealCondition: Signal
    OnReceiveTrCondition: Signal
    OnReceiveConditionVer: Signal

    def __init__(self, world: World, clock: Callable[[], int]) -> None:
        self._world, self._clock = world, clock
        self.session = world.connect()
        self._core = ControlCore(self)
        self._delivering = False
        for name in SIGNALS:
            setattr(self, name, Signal())

    def ask(self, name: str, args: list[Any]) -> Any:
        """The link of the control's core: straight into the world."""
        return self._world.call(self.session, self._clock(), name, args)

    def dynamicCall(self, prototype: str, *args: Any) -> Any:
        """As the real binding (see `prototypes`). Raises TypeError beyond eight values."""
        resolved = resolve(prototype, args)
        return None if resolved is None else self._core.call(*resolved)

    @property
    def reading(self) -> ControlCore:
        """What the event that is being delivered makes readable, without a prototype for each text."""
        return self._core

    def deliver(self, events: Iterable[Event]) -> None:
        """Events of this control's session, in order, as `World.advance` gave them."""
        for event in events:
            self._core.put(event)

    def pump(self) -> int:
        """Fire what waits, one event at a time; from inside a slot nothing. Returns how many."""
        if self._delivering:
            return 0
        fired, self._delivering = 0, True
        try:
            while (event := self._core.take()) is not None:
                with self._core.deliver(event) as (name, values):
                    getattr(self, name).emit(*values)
                fired += 1
        finally:
            self._delivering = False
        return fired

    def clear(self) -> None:
        """The process of this control is gone; nothing waits any more."""
        self._world.drop(self.session)
        self._core = ControlCore(self)
