"""How promptly what was bought was sold again: the figures that a demo, a drill and virtual days share.

Pure. Give it every message of the orders and pairs, once or more and in any order; ask for `figures_of`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from pydantic import BaseModel, ConfigDict

from services.contracts.envelope import Message
from services.contracts.ids import leg_of
from services.contracts.messages.orders import CommandDenied, OrderSent
from services.contracts.messages.pairs import PairClosed
from services.contracts.reasons import GateReason
from services.contracts.terms import Side


class Spread(BaseModel):
    """Of many values the middle one, the one that 95 of 100 do not exceed, and the largest; 0 of none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50: int = 0
    p95: int = 0
    max: int = 0

    @classmethod
    def of(cls, values: Iterable[int]) -> Self:
        ranked = sorted(values)
        if not ranked:
            return cls()
        return cls(
            p50=ranked[(len(ranked) - 1) // 2], p95=ranked[-(-95 * len(ranked) // 100) - 1], max=ranked[-1]
        )


class PromptFigures(BaseModel):
    """`first_sell_wait_ms`: from the arrival of the command of a clip's first sell at the gateway to
    SendOrder. `entries_denied_late`: entries that could not leave in time because the order budget was owed
    to exits. `unhedged_krw_s`: what was bought and not yet sold, won times how long, of closed pairs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_sell_wait_ms: Spread = Spread()
    entries_denied_late: int = 0
    unhedged_krw_s: int = 0


@dataclass
class Promptness:
    """Adds up messages. What is told twice counts once.

    `first_sells` is, by clip, the attempt of its first sell that left and how long that had waited, ms;
    `unhedged` by pair how often it was closed, and what was unhedged until then, KRW x ms.
    """

    first_sells: dict[str, tuple[int, int]] = field(default_factory=dict)
    entries_denied_late: set[str] = field(default_factory=set)
    unhedged: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        match message:
            case OrderSent(facts=facts, waited_ms=int() as waited_ms):
                self._sent(facts.order_id, waited_ms)
            case CommandDenied(order_id=order_id, reason=GateReason.ORDER_BUDGET):
                leg = leg_of(order_id)
                if leg is not None and leg[1] is Side.BUY:
                    self.entries_denied_late.add(order_id)
            case PairClosed() as closed:
                told = (closed.closings, closed.uncovered_krw_ms)
                self.unhedged[closed.pair_id] = max(told, self.unhedged.get(closed.pair_id, told))

    def _sent(self, order_id: str, waited_ms: int) -> None:
        leg = leg_of(order_id)
        if leg is not None and leg[1] is Side.SELL:
            clip, _, attempt = leg
            self.first_sells[clip] = min(
                (attempt, waited_ms), self.first_sells.get(clip, (attempt, waited_ms))
            )

    @property
    def first_sell_waits_ms(self) -> tuple[int, ...]:
        return tuple(waited_ms for _, waited_ms in self.first_sells.values())

    @property
    def unhedged_krw_ms(self) -> int:
        return sum(krw_ms for _, krw_ms in self.unhedged.values())


def figures_of(days: Sequence[Promptness]) -> PromptFigures:
    """Return the figures of one day or of several."""
    return PromptFigures(
        first_sell_wait_ms=Spread.of(wait_ms for day in days for wait_ms in day.first_sell_waits_ms),
        entries_denied_late=sum(len(day.entries_denied_late) for day in days),
        unhedged_krw_s=sum(day.unhedged_krw_ms for day in days) // 1_000,
    )
