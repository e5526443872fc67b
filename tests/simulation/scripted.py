"""A virtual day without chance but for the market: what goes wrong is what a test's script says.

day = Scripted(desk, script)      # script(day, now_ns) is asked at every step until the world heals
day.run()
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from services.contracts.streams import COMMANDS, key_of
from services.gateway.state import GatewayState
from services.simulator.options import FaultOptions
from services.simulator.virtual.day import VirtualDay
from services.simulator.virtual.desk import Desk
from services.simulator.virtual.faults import CALM


class Scripted(VirtualDay):
    """`sends` are the orders that the gateway was about to send, with the arguments of SendOrder."""

    def __init__(self, desk: Desk, script: Callable[["Scripted", int], None], seed: int = 1) -> None:
        self.sends: list[Any] = []
        self._script = script
        super().__init__(desk, seed, CALM)
        self.observer.calm.healed(0)

    def _sending(self, state: GatewayState, effect: Any) -> None:
        super()._sending(state, effect)
        self.sends.append(effect)

    def _trouble(self, now_ns: int) -> None:
        self._script(self, now_ns)

    def messages(self, kind: type[Any]) -> list[Any]:
        """What the streams hold now of a kind, in the order of each stream."""
        entries = (entry for stream in self.bus.streams.values() for entry in stream)
        return [entry.envelope.body for entry in entries if isinstance(entry.envelope.body, kind)]

    def commands(self, kind: type[Any]) -> list[Any]:
        entries = self.bus.streams.get(key_of(COMMANDS, self.gateway.state.settings.name), [])
        return [entry.envelope.body for entry in entries if isinstance(entry.envelope.body, kind)]

    def broker_does(self, **faults: Any) -> None:
        """What the broker does wrong from now on; nothing given is a good broker."""
        self.world.broker.faults = replace(FaultOptions(), **faults)
