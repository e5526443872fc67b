"""What a service that sends orders knows of the trading state: risk's last word, and the stop it holds.

A stop is obeyed when it is read, and held until risk has taken in that very stop: a word that was on its
way, or that answers an earlier request, ends nothing. Stops, risk's words and wishes to sell share one
stream: its reader has read every stop that risk names, and knows which wishes a later stop ended by no clock.

A halt is held until risk has said that very halt. Where risk gave it up and takes in a later, milder stop,
its word knows of no halt and ends none.

Whoever begins without a stored state begins disarmed: of what was said before (`since_ns`) stops count, and
neither what allows more nor a wish to sell.
"""

from services.contracts.envelope import Part
from services.contracts.limits import CLOCK_SKEW_MS, NS_PER_MS
from services.contracts.messages.control import FlattenStarted, StopRequested, TradingStateChanged
from services.contracts.step import Received
from services.contracts.terms import TradingState

HALTED = TradingState.HALTED
NOT_READ_BACK = "not read back"
"""Stands for the id of an own stop; no word of risk names it."""
WISHES_KEPT = 16
"""Wishes to sell that wait for the executor's word. One more ends the oldest."""


class TradingWord(Part):
    """`said` is risk's last word, `held` the strictest stop that risk has not taken in yet.

    `stop_id` is the last stop that was read, `stop` the same until risk has ended it. `barred_ns` is when
    selling was last forbidden, and grows each time: that ends what a person had asked to be sold by then.
    `wishes` are the ids of such requests that were read since. All times are Redis's own. `halt_file` is what
    a person laid beside the gateway, as long as it lies there.
    """

    said: TradingState = TradingState.DISARMED
    held: TradingState | None = None
    stop: StopRequested | None = None
    stop_id: str = ""
    halt_id: str = ""
    """The last halt that was read, until a word of risk that halts names it."""
    barred_ns: int = 0
    wishes: tuple[str, ...] = ()
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
                "halt_id": event.envelope.id if stop.target is HALTED else self.halt_id,
                "halt_file": self._file_after(stop),
            }
        )
        return changed._barred(self, event.now_ns, again=not stop.target.allows_exits)

    def after_own_stop(self, stop: StopRequested, now_ns: int) -> "TradingWord":
        """Return the word after a stop that this process makes itself: obeyed at once, and held until it was
        read back from its stream and risk has it."""
        held = stop.target.stricter(self.held)
        changed = self.model_copy(
            update={
                "held": held,
                "stop": stop,
                "stop_id": NOT_READ_BACK,
                "halt_id": NOT_READ_BACK if stop.target is HALTED else self.halt_id,
                "halt_file": self._file_after(stop),
            }
        )
        return changed._barred(self, now_ns, again=not stop.target.allows_exits)

    def _file_after(self, stop: StopRequested) -> str:
        return self.halt_file if stop.halt_file is None else stop.halt_file

    def after_change(self, change: TradingStateChanged, event: Received) -> "TradingWord":
        """Return the word after risk's. One that does not know of the last stop that was read here allows no
        more than that stop did, whoever has forgotten it. A stop that risk has ended does not come back."""
        if change.state.allows_more_than(self.said) and event.entered_ns < self.since_ns:
            return self
        unanswered = self.held if self.held is not None or self.stop is None else self.stop.target
        answered = change.stop_id == self.stop_id
        halt_id = "" if change.state is HALTED and change.stop_id == self.halt_id else self.halt_id
        halt_unsaid = bool(halt_id) and self.held is HALTED and change.state is not HALTED
        ended = answered and self.stop is not None and change.state.allows_more_than(self.stop.target)
        changed = self.model_copy(
            update={
                "said": change.state,
                "held": None if answered and not halt_unsaid else unanswered,
                "stop": None if ended else self.stop,
                "halt_id": halt_id,
            }
        )
        return changed._barred(self, event.now_ns, again=False)

    def after_wish(self, event: Received) -> "TradingWord":
        """Return the word after a person's request to sell. One read ahead of an own stop came before it."""
        own = self.stop is not None and self.stop_id == NOT_READ_BACK and not self.stop.target.allows_exits
        if own:
            return self
        return self.model_copy(update={"wishes": (*self.wishes, event.envelope.id)[-WISHES_KEPT:]})

    def of_new_date(self) -> "TradingWord":
        """Return the word as a new trading date begins: nothing is armed, and what stops stays."""
        return self.model_copy(update={"said": TradingState.DISARMED.stricter(self.said)})

    def by_clock(self, now_ns: int) -> "TradingWord":
        """Return the word with no time ahead of `now_ns`: Redis's clock may have been set back."""
        return self.model_copy(update={"since_ns": min(self.since_ns, now_ns)})

    def ended_wish(self, asked_ns: int) -> str:
        """Return why a wish to sell, given at `asked_ns`, is not obeyed as it is read; empty where it is."""
        if self.halt_file:
            return f"{self.halt_file} lies beside the gateway, which sends only cancels; remove it first"
        return "it was asked before the memory of this service begins" if asked_ns < self.since_ns else ""

    def obeys(self, started: FlattenStarted, event: Received) -> bool:
        """Whether the executor's word on a wish holds: no stop that forbids sells came after the wish."""
        return event.envelope.causation_id in self.wishes and not self.ended_wish(started.asked_ns)

    def ends_pause(self, paused_ns: int, resumed: Received) -> bool:
        """Whether a resumption ends the pause of `paused_ns` (0: none): it came later, and not in the past.

        The two travel in different streams, and stops are read ahead of control.
        """
        return resumed.stamped_ns >= max(self.since_ns, paused_ns)

    def said_again(self, service: str) -> StopRequested | None:
        """Return the stop that `service` still obeys, None where it obeys none.

        Redis may have lost a stop that no other service has read, or risk's own with the risk that knew it.
        """
        if self.in_force is TradingState.ARMED:
            return None
        again = f"(said again by the {service}: Redis had lost it)"
        stop = self.stop
        by, reason = (stop.by, stop.reason) if stop else (service, f"the desk was {self.in_force}")
        whole = reason if "(said again by" in reason else f"{reason} {again}"
        return StopRequested(target=self.in_force, by=by, reason=whole)

    def ended_selling(self, before: "TradingWord") -> bool:
        """Whether the step from `before` ended what a person had asked to be sold."""
        return self.barred_ns != before.barred_ns

    def _barred(self, before: "TradingWord", now_ns: int, *, again: bool) -> "TradingWord":
        begins = before.in_force.allows_exits and not self.in_force.allows_exits
        if not (begins or again):
            return self
        return self.model_copy(update={"barred_ns": max(self.barred_ns + 1, now_ns), "wishes": ()})
