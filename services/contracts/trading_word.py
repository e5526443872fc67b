"""What a service that sends orders knows of the trading state: risk's last word, and the stop it holds.

A stop is obeyed when it is read, and held until risk has taken in that very stop: a word that was on its
way, or that answers an earlier request, ends nothing. Stops and risk's words share one stream, so that its
reader has read every stop that risk names.

Whoever begins without a stored state begins disarmed: of what was said before (`since_ns`) stops count, and
neither what allows more nor a wish to sell.
"""

from services.contracts.envelope import Part
from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.control import StopRequested, TradingStateChanged
from services.contracts.step import Received
from services.contracts.terms import TradingState


class TradingWord(Part):
    """`said` is risk's last word, `held` the strictest stop that risk has not taken in yet.

    `stop_id` is the last stop that was read, `stop` the same until risk has ended it. `barred_ns` is when
    selling was last forbidden: what a person had asked to be sold by then is asked for no more. All times are
    Redis's own.
    """

    said: TradingState = TradingState.DISARMED
    held: TradingState | None = None
    stop: StopRequested | None = None
    stop_id: str = ""
    barred_ns: int = 0
    since_ns: int = 0

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
        changed = self.model_copy(update={"held": held, "stop": stop, "stop_id": event.envelope.id})
        return changed._barred(self, event, again=not stop.target.allows_exits)

    def after_change(self, change: TradingStateChanged, event: Received) -> "TradingWord":
        """Return the word after risk's. One that does not know of the last stop that was read here allows no
        more than that stop did, whoever has forgotten it. A stop that risk has ended does not come back."""
        if change.state.allows_more_than(self.said) and event.entered_ns < self.since_ns:
            return self
        unanswered = self.held if self.held is not None or self.stop is None else self.stop.target
        answered = change.stop_id == self.stop_id
        ended = answered and self.stop is not None and change.state.allows_more_than(self.stop.target)
        changed = self.model_copy(
            update={
                "said": change.state,
                "held": None if answered else unanswered,
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

    def still_asks(self, asked_ns: int) -> bool:
        """Whether a person's wish to sell, given at `asked_ns`, was not ended by a later stop, nor is of the
        past of one that began without a stored state."""
        return asked_ns > self.barred_ns and asked_ns >= self.since_ns

    def ended_wish(self, asked_ns: int) -> str:
        """Return why a wish to sell, given at `asked_ns`, is not obeyed any more; empty where it is."""
        if self.still_asks(asked_ns):
            return ""
        if asked_ns < self.since_ns:
            return "it was asked before the memory of this service begins"
        return "a stop that forbids sells came after it"

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
