"""What a service that sends orders knows of the trading state: risk's last word, and the stop it holds.

A stop is obeyed when it is read, and held until risk has taken in that very stop: a word that was on its
way, or that answers an earlier request, ends nothing. Stops and risk's words share one stream, so that its
reader has read every stop that risk names.

A halt is held until risk has said it. Where risk gave it up and takes in a later, milder stop, its word knows
of no halt and ends none.

Whoever begins without a stored state begins disarmed: of what was said before (`since_ns`) stops count, and
neither what allows more nor a wish to sell.
"""

from services.contracts.envelope import Part
from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.step import Received
from services.contracts.terms import TradingState

HALTED = TradingState.HALTED
NOT_READ_BACK = "not read back"
"""Stands for the id of an own stop; no word of risk names it."""


class TradingWord(Part):
    """`said` is risk's last word, `held` the strictest stop that risk has not taken in yet.

    `stop_id` is the last stop that was read, `stop` the same until risk has ended it. `barred_ns` is when
    selling was last forbidden: what a person had asked to be sold by then is asked for no more. All times are
    Redis's own. `halt_file` is what a person laid beside the gateway, as long as it lies there.
    """

    said: TradingState = TradingState.DISARMED
    held: TradingState | None = None
    stop: StopRequested | None = None
    stop_id: str = ""
    barred_ns: int = 0
    since_ns: int = 0
    halt_file: str = ""

    @property
    def in_force(self) -> TradingState:
        return self.said.stricter(self.held)

    def begun(self, now_ns: int) -> "TradingWord":
        """Return the word of one that begins now, by a clock that may be off by what is tolerated; the same
        where it has begun before."""
        if self.since_ns:
            return self
        return self.model_copy(update={"since_ns": now_ns - CLOCK_SKEW_MS * NS_PER_MS})

    def after_stop(self, stop: StopRequested, event: Received) -> "TradingWord":
        """Return the word after a person's stop: obeyed at once, and held also where it changes nothing."""
        held = stop.target.stricter(self.held)
        changed = self.model_copy(
            update={
                "held": held,
                "stop": stop,
                "stop_id": event.envelope.id,
                "halt_file": self._file_after(stop),
            }
        )
        return changed._barred(self, event, again=not stop.target.allows_exits)

    def after_own_stop(self, stop: StopRequested, now_ns: int) -> "TradingWord":
        """Return the word after a stop that this process makes itself: obeyed at once, and held until it was
        read back from its stream and risk has it."""
        held = stop.target.stricter(self.held)
        barred_ns = self.barred_ns if stop.target.allows_exits else max(self.barred_ns, now_ns)
        return self.model_copy(
            update={
                "held": held,
                "stop": stop,
                "stop_id": NOT_READ_BACK,
                "barred_ns": barred_ns,
                "halt_file": self._file_after(stop),
            }
        )

    def _file_after(self, stop: StopRequested) -> str:
        return self.halt_file if stop.halt_file is None else stop.halt_file

    def after_change(self, change: TradingStateChanged, event: Received) -> "TradingWord":
        """Return the word after risk's. One that does not know of the last stop that was read here allows no
        more than that stop did, whoever has forgotten it. A stop that risk has ended does not come back."""
        if change.state.allows_more_than(self.said) and event.entered_ns < self.since_ns:
            return self
        unanswered = self.held if self.held is not None or self.stop is None else self.stop.target
        answered = change.stop_id == self.stop_id
        halt_unsaid = self.held is HALTED and change.state is not HALTED
        ended = answered and self.stop is not None and change.state.allows_more_than(self.stop.target)
        changed = self.model_copy(
            update={
                "said": change.state,
                "held": None if answered and not halt_unsaid else unanswered,
                "stop": None if ended else self.stop,
            }
        )
        return changed._barred(self, event, again=False)

    def of_new_date(self) -> "TradingWord":
        """Return the word as a new trading date begins: nothing is armed, and what stops stays."""
        return self.model_copy(update={"said": TradingState.DISARMED.stricter(self.said)})

    def by_clock(self, now_ns: int) -> "TradingWord":
        """Return the word with no time ahead of `now_ns`: Redis's clock may have been set back."""
        past = {"barred_ns": min(self.barred_ns, now_ns), "since_ns": min(self.since_ns, now_ns)}
        return self.model_copy(update=past)

    def ended_wish(self, asked_ns: int) -> str:
        """Return why a wish to sell, given at `asked_ns`, is not obeyed; empty where it is."""
        if self.halt_file:
            return f"{self.halt_file} lies beside the gateway, which sends only cancels; remove it first"
        if asked_ns < self.since_ns:
            return "it was asked before the memory of this service begins"
        return "" if asked_ns > self.barred_ns else "a stop that forbids sells came after it"

    def ended_selling(self, before: "TradingWord") -> bool:
        """Whether the step from `before` ended what a person had asked to be sold."""
        return self.barred_ns != before.barred_ns

    def _barred(self, before: "TradingWord", event: Received, *, again: bool) -> "TradingWord":
        begins = before.in_force.allows_exits and not self.in_force.allows_exits
        if not (begins or again):
            return self
        # An id is the clock of Redis at that moment: one that stood ahead bars nothing later.
        barred_ns = min(event.entered_ns, event.now_ns + CLOCK_SKEW_MS * NS_PER_MS)
        return self.model_copy(update={"barred_ns": max(before.barred_ns, barred_ns)})
