"""The Qt thread: facts in, effects done, messages handed to the writer. It never waits for Redis.

A timer drains what slots and threads left; the control is called from that timer alone. Nothing is
decided here.
"""

import os
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import structlog

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.envelope import Envelope, Unreadable
from services.contracts.limits import HEARTBEAT_MS, LEASE_MS, NS_PER_MS, TICK_MS
from services.contracts.messages.alerts import AlertRaised
from services.contracts.messages.commands import AmendOrder, CancelOrder, PlaceOrder
from services.contracts.messages.control import StopRequested
from services.contracts.messages.lease import LeaseRenewed
from services.contracts.messages.status import Heartbeat
from services.contracts.metric import seconds
from services.contracts.step import Outgoing, Received
from services.contracts.streams import CONTROL, LEASE, TICKS, key_of
from services.contracts.terms import Severity, Symbol, TradingState
from services.gateway.book_feed import BookFeed
from services.gateway.control_calls import Calls, OrderPort, Slots
from services.gateway.core import decide
from services.gateway.effects import (
    Connect,
    DropScreen,
    Effect,
    Exit,
    Note,
    Query,
    ReadLogin,
    ReadMaster,
    Register,
    Send,
    Unregister,
)
from services.gateway.exchange_time import agrees
from services.gateway.facts import Clocked, Delivered, Fact, Forgotten, LeaseSeen, Moment, Started, Unjudged
from services.gateway.figures import Figures
from services.gateway.halt_file import HaltFile
from services.gateway.intention_log import IntentionLog
from services.gateway.lease import entry_id_ns
from services.gateway.outbox import WRITES_PER_COMMIT, Batch, Outbox, Quote
from services.gateway.pulse import PULSE_MS, PulseFile, vitals_of
from services.gateway.redis_reader import Read, RedisReader
from services.gateway.redis_writer import QtClock, RedisWriter
from services.gateway.state import GatewayState
from services.runtime import retries
from services.runtime.burials import Burials, burial
from services.runtime.bus import Write
from services.runtime.process import EXIT_STATE
from services.runtime.service import LOCAL, write_of

SOURCE = "gateway"
EXIT_FAILED, EXIT_FENCED = 1, 3
BUSY_TICK_NS = 10 * NS_PER_MS
FACTS_PER_TURN = 500
JUNK_PER_TURN = 5_000
CANCEL_NS = 3_000 * NS_PER_MS
"""A gateway that must end gives its cancels so long to be confirmed."""
KEEP_LOG_NS = 300 * NS_PER_MS
"""The log's file is looked at this often; before each order besides."""
_WORDS = (CONTROL.key, LEASE.key)
"""The streams whose entries may stop what a command is about to send."""


class Identity:
    """Who this process is, for its heartbeat."""

    def __init__(self, instance: str, epoch: int, build_id: str, started_ns: int) -> None:
        self.instance, self.epoch, self.build_id, self.started_ns = instance, epoch, build_id, started_ns


class Shell:
    """One gateway on one control. `turn()` is called by the Qt timer; `end(code)` ends the process."""

    def __init__(
        self,
        state: GatewayState,
        positions: dict[str, str],
        identity: Identity,
        *,
        reader: RedisReader,
        writer: RedisWriter,
        outbox: Outbox,
        clock: QtClock,
        log: IntentionLog,
        calls: Calls,
        port: OrderPort | None,
        end: Callable[[int], None],
        halt: Callable[[], HaltFile],
        pulse: PulseFile | None = None,
        figures: Figures | None = None,
    ) -> None:
        self.state, self._positions, self._identity = state, positions, identity
        self._reader, self._writer, self._outbox, self._clock = reader, writer, outbox, clock
        self._intentions, self._calls, self._port, self._end = log, calls, port, end
        self._halt = halt
        self._pulse, self._figures = pulse, figures
        self._log = structlog.get_logger(service=SOURCE)
        self._feed = BookFeed(state.settings.book_levels)
        self._groups: dict[Symbol, str] = {}
        self._grouped: object = None
        self._cause = 0
        self._burials = Burials(SOURCE)
        self._burying: list[Write] = []
        """Entries given up, which go out with the next batch."""
        self._ticked_ns = self._beat_ns = self._pulsed_ns = 0
        self._handled = 0
        self._busy = False
        self._kept, self._kept_ns = True, 0
        self._halted_ns = 0
        """When the gateway halted because Redis does not take its writes (monotonic), 0 while it does."""
        self.slots: Slots | None = None
        self.ended = False

    # -- the timer -----------------------------------------------------------------------

    def start(self) -> None:
        who = self._identity
        self._log.info("started", epoch=who.epoch, build_id=who.build_id, positions=self._positions)
        self._feed_fact(Started())

    def turn(self) -> None:
        """Drain what waits, do what is due. Never raises: a timer is a slot too.

        A call on the control may pump messages and so fire the timer inside itself: that one waits.
        """
        if self._busy:
            return
        self._busy = True
        began_ns = self._clock.mono_ns()
        try:
            self._turn()
        except Exception:
            self._log.exception("the gateway failed")
            self.finish(EXIT_FAILED, "a failure outside the core")
        finally:
            self._busy = False
        if self._figures is not None:
            self._figures.turned(seconds(self._clock.mono_ns() - began_ns))

    def _turn(self) -> None:
        if self.ended:
            return
        if self._writer.fenced:
            self.finish(EXIT_FENCED, "another gateway has taken over")
            return
        if self._writer.failed or self._reader.failed:
            self.finish(EXIT_FAILED, "a thread has died")
            return
        self._clock.refresh()
        self._end_if_unwritable()
        if self._writer.forgotten.is_set():
            self._writer.forgotten.clear()
            self._feed_fact(Forgotten())
        stops, words, others = self._arrived()
        self._take_all(stops)
        self._take_all(words)
        self._drain_slots()
        self._take_all(others)
        self._tick()
        self._beat()
        self._show_pulse()

    def _end_if_unwritable(self) -> None:
        """Redis does not take, or give, what the gateway cannot do without: nothing enters, what works is
        cancelled as in a halt, and the process ends. The intention log has all that the state would have."""
        problem = self._writer.unwritable or self._reader.unreadable
        if self._halted_ns:
            if self._clock.mono_ns() - self._halted_ns > CANCEL_NS or not self.state.orders.working:
                self.finish(EXIT_STATE, "Redis does not take what the gateway writes")
        elif problem:
            self._halted_ns = self._clock.mono_ns()
            self._log.critical("halting and ending", problem=problem)
            now_ns = self._clock.now_ns()
            halt = StopRequested(target=TradingState.HALTED, by=SOURCE, reason=problem)
            own = Envelope.wrap(halt, source=SOURCE, now_ns=now_ns, causation_id=f"unwritable-{now_ns}")
            self._feed_fact(Delivered(Received(own, LOCAL, "", now_ns)))

    def _drain_slots(self) -> None:
        waiting = self.slots.facts if self.slots is not None else None
        for _ in range(FACTS_PER_TURN):
            if not waiting or self.ended:
                return
            self._feed_fact(waiting.popleft())

    def _arrived(self) -> tuple[list[Read], list[Read], list[Read]]:
        """Return all that was read of the stops, then some of control and lease, and of the rest.

        A stop that is here is obeyed before anything that could send, a command that was given before it
        and read with it included: between streams there is no order.
        """
        stops, inbox = self._reader.stops, self._reader.inbox
        stopping = [stops.get() for _ in range(stops.qsize())]
        found = _some_of(inbox)
        words = [read for read in found if read.entry.key in _WORDS]
        return stopping, words, [read for read in found if read.entry.key not in _WORDS]

    def _take_all(self, found: list[Read]) -> None:
        for read in found:
            if self.ended:
                break
            self._take(read)
        if self._burying:
            self._put([])

    def _tick(self) -> None:
        now_ns = self._clock.now_ns()
        every_ns = BUSY_TICK_NS if self.state.queue else TICK_MS * NS_PER_MS
        if now_ns - self._ticked_ns < every_ns or self.ended:
            return
        self._ticked_ns = now_ns
        halt = self._halt()
        depths = {**self._outbox.depths(), "inbox": self._reader.inbox.qsize()}
        fact = Clocked(
            halt_file=halt.present, halt_why=halt.why, halt_entry=halt.entry,
            last_book_ns=dict(self._feed.last_ns), heard_ns=dict(self._feed.heard_ns), queue_depths=depths,
            quotes_published=self._writer.published, quotes_conflated=self._outbox.conflated,
            exchange_apart_ns=self._feed.take_apart_ns(self.state.clock),
            log_kept=self._log_kept(now_ns), log_lost=self._intentions.lost,
        )  # fmt: skip
        self._feed_fact(fact)
        self._tell_burials(now_ns)
        if self._figures is not None:
            self._figures.ticked(self.state, fact, self._feed, self.slots)

    def _log_kept(self, now_ns: int) -> bool:
        """Whether the log's file is the one written; it is looked at a few times a second."""
        if now_ns - self._kept_ns < KEEP_LOG_NS:
            return self._kept
        self._kept_ns = now_ns
        try:
            found = self._intentions.keep(self.state.trading_date)
        except OSError:
            self._log.exception("the log of intentions cannot be written anew")
            self._kept = False
        else:
            self._kept = True
            if found:
                self._log.error("the log of intentions was written anew", found=found)
        return self._kept

    def _beat(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._beat_ns < HEARTBEAT_MS * NS_PER_MS or self.ended:
            return
        self._beat_ns = now_ns
        who, clock = self._identity, self._clock.reading
        beat = Heartbeat(
            service=SOURCE, instance=who.instance, epoch=who.epoch, build_id=who.build_id, pid=os.getpid(),
            started_at_ns=who.started_ns, reference_hash=self.state.reference_hash,
            positions=self._positions, handled=self._handled, clock_offset_us=clock.offset_us,
            clock_trusted=clock.trusted and agrees(self.state.doubts),
            clock_error_us=clock.error_ns // 1_000, clock_jumps=clock.jumps,
        )  # fmt: skip
        self._put([self._write(Outgoing(beat), f"beat-{now_ns}", 0, now_ns)])

    def _show_pulse(self) -> None:
        """At the end of a whole turn, so that a call on the control that hangs shows as silence."""
        mono_ns = self._clock.mono_ns()
        if self._pulse is None or self.ended or mono_ns - self._pulsed_ns < PULSE_MS * NS_PER_MS:
            return
        self._pulsed_ns = mono_ns
        self._pulse.beat(vitals_of(self.state, self._feed, self._clock.now_ns()))
        if self._pulse.told_to_stop:
            self.finish(0, "the supervisor asks")

    # -- facts ---------------------------------------------------------------------------

    def _take(self, read: Read) -> None:
        """One entry of a stream. What cannot be read is buried; the lease is measured here."""
        entry, envelope = read.entry, read.envelope
        if read.only_position:
            self._positions = {**self._positions, entry.key: entry.entry_id}
            return
        if envelope is None:
            self._bury(read, read.problem)
            return
        if isinstance(envelope.body, LeaseRenewed):
            renewed_ns = self._clock.mono_of(entry_id_ns(entry.entry_id))
            expires_ns = renewed_ns + LEASE_MS * NS_PER_MS if renewed_ns else 0
            lease = envelope.body
            seen = LeaseSeen(expires_ns, lease.reference_hash, lease.state, lease.risk_epoch)
            self._feed_fact(seen)
            return
        self._handled += 1
        if self._figures is not None:
            self._figures.handled(entry.key)
        received = Received(envelope, entry.key, entry.entry_id, self._clock.now_ns())
        before = self._positions
        if entry.key in before:
            self._positions = {**before, entry.key: entry.entry_id}
        if retries.is_retry(received, SOURCE):
            self._retry(received)
        elif not self._feed_fact(Delivered(received), cause_id=envelope.id):
            self._bury(read, "the core failed at it; see the log")

    def _retry(self, request: Received) -> None:
        """Take in once more what this gateway had buried, and tell what came of it."""
        problem = ""
        try:
            retried = retries.entry_of(request)
            if not self._feed_fact(Delivered(retried), cause_id=retried.cause_id):
                problem = "the core failed at it; see the log"
        except Unreadable as error:
            problem = str(error)
        told = retries.answer(request, problem)
        self._put([self._write(told, request.cause_id, 0, request.now_ns)])

    def _feed_fact(self, fact: Fact, cause_id: str = "") -> bool:
        """Ask the core, hand over what it says, do what it wants, feed back what came of that.

        False where the core failed: then nothing of the step took place.
        """
        if not cause_id:
            self._cause += 1
            cause_id = f"{SOURCE}-{self._identity.epoch}-{self._cause}"
        now_ns = self._clock.now_ns()
        before, moment = self.state, Moment(fact, now_ns, self._clock.mono_ns())
        try:
            step = decide(before, moment)
        except Exception as error:
            self._log.exception("core failed", fact=type(fact).__name__)
            if self._figures is not None:
                self._figures.core_failed()
            self._put([self._write(Outgoing(_failure(fact, error)), cause_id, 0, now_ns)])
            command = _command_of(fact)
            if command is not None:
                self._feed_fact(Unjudged(command, _named(error)), f"{cause_id}.unjudged")
            return False
        changed = step.state is not self.state
        self.state = step.state
        if step.out or changed:
            self._put([self._write(out, cause_id, at, now_ns) for at, out in enumerate(step.out)])
        for effect in step.effects:
            result = self._do(effect)
            if result is not None:
                self._feed_fact(result)
        if self._figures is not None:
            self._figures.took_place(before, moment, step)
        return True

    # -- effects -------------------------------------------------------------------------

    def _do(self, effect: Effect) -> Fact | None:
        calls = self._calls
        match effect:
            case Send():
                if self._port is None:
                    raise RuntimeError("an order reached a gateway that only observes")
                return self._port.send(effect)
            case Query():
                return calls.query(effect)
            case Register():
                return calls.register(effect)
            case ReadMaster(symbols):
                return calls.read_master(symbols)
            case ReadLogin():
                return calls.read_login()
            case Connect():
                return calls.connect()
            case Note(line, trading_date):
                self._note(trading_date, line)
            case Unregister(screen):
                calls.unregister(screen)
            case DropScreen(screen):
                calls.drop_screen(screen)
            case Exit(code, why):
                self.finish(code, why)
        return None

    def _note(self, trading_date: str, line: Any) -> None:
        try:
            self._intentions.append(trading_date, line, sync=False)
        except OSError:
            self._log.exception("log line not written", line=line)

    def finish(self, code: int, why: str) -> None:
        """Stop sending at once, write what is said, let go of the control, end."""
        if self.ended:
            return
        self.ended = True
        self._log.info("ending", code=code, why=why)
        self._end(code)

    def release(self) -> None:
        """Drop all registrations and the control, after the last turn."""
        try:
            self._calls.end()
        except Exception:
            self._log.exception("the control did not end cleanly")

    # -- books ---------------------------------------------------------------------------

    def on_book(self, code: str, read: Callable[[int], str]) -> None:
        """A book frame, straight from its event: the hot path, which the core does not see."""
        now_ns = self._clock.now_ns()
        state = self.state
        quote = self._feed.quote(
            code, read, state.connection_epoch, now_ns, state.facts.bands, state.reference
        )
        group = self._group_of(quote.symbol)
        if group:
            self._outbox.put_quote(Quote(quote, group, now_ns))

    def on_trade(self, code: str, read: Callable[[int], str]) -> None:
        if not self.state.settings.publish_trades:
            return
        now_ns = self._clock.now_ns()
        trade = self._feed.trade(code, read, now_ns)
        group = self._group_of(trade.symbol)
        if group:
            self._cause += 1
            cause_id = f"trade-{self._identity.epoch}-{self._cause}"
            envelope = Envelope.wrap(trade, source=SOURCE, now_ns=now_ns, causation_id=cause_id)
            self._outbox.put_loose(Write(key_of(TICKS, group), envelope, TICKS.kept))

    def _group_of(self, symbol: Symbol) -> str:
        reference = self.state.reference
        if reference is not self._grouped and reference is not None:
            self._grouped = reference
            self._groups = {entry.krx_code: entry.group for entry in reference.symbols}
        return self._groups.get(symbol, "")

    # -- writing -------------------------------------------------------------------------

    def _put(self, writes: list[Write]) -> None:
        writes, self._burying = [*self._burying, *writes], []
        self._outbox.put(Batch(tuple(writes), self._positions, self.state))

    def _write(self, out: Outgoing, cause_id: str, ordinal: int, now_ns: int) -> Write:
        return write_of(out, SOURCE, cause_id, ordinal, now_ns)

    def _bury(self, read: Read, reason: str) -> None:
        entry = read.entry
        if entry.key in self._positions:
            self._positions = {**self._positions, entry.key: entry.entry_id}
        now_ns = self._clock.now_ns()
        if read.junk and self._burials.is_flooded(entry):
            self._burials = self._burials.counted(entry.key, entry.entry_id, reason, now_ns)
            return
        buried = burial(SOURCE, entry, reason, 1)
        self._burials = self._burials.after(buried, now_ns)
        self._burying.append(self._write(Outgoing(buried), entry.name, 0, now_ns))
        if len(self._burying) >= WRITES_PER_COMMIT:
            self._put([])

    def _tell_burials(self, now_ns: int) -> None:
        self._burials, alerts = self._burials.told(now_ns)
        for at, alert in enumerate(alerts):
            self._put([self._write(Outgoing(alert), f"buried-{SOURCE}-{now_ns}", at, now_ns)])


def _some_of(inbox: "SimpleQueue[Read]") -> list[Read]:
    """Take what a turn has time for. Junk is only counted, so more of it is taken than of messages."""
    found: list[Read] = []
    messages = 0
    for _ in range(min(JUNK_PER_TURN, inbox.qsize())):
        found.append(inbox.get())
        messages += not found[-1].junk
        if messages == FACTS_PER_TURN:
            break
    return found


def _command_of(fact: Fact) -> PlaceOrder | AmendOrder | CancelOrder | None:
    """Return the command that a fact delivers."""
    message = fact.received.message if isinstance(fact, Delivered) else None
    return message if isinstance(message, PlaceOrder | AmendOrder | CancelOrder) else None


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _failure(fact: Fact, error: Exception) -> AlertRaised:
    command = _command_of(fact)
    what = type(fact).__name__ if command is None else f"{type(command).__name__} {command.order_id}"
    return raised(
        AlertCode.GATEWAY_FAILED, f"gateway-core-{type(fact).__name__}", Severity.CRITICAL,
        {"what": what, "problem": _named(error)},
    )  # fmt: skip
