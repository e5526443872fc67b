"""The programs that are connected, and the one line of events to each.

One login at a time: a later one cuts off the earlier (Kiwoom sheet 5.4). Events of a session keep
their order, quotes and orders alike; what was on the way when a session ended is lost, as with the
real server.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random

from services.simulator.agenda import Agenda
from services.simulator.events import Event
from services.simulator.latency import LatencyOptions, Way
from services.simulator.options import FaultOptions

MS = 1_000_000
Outbound = tuple[int, Event]


@dataclass(slots=True)
class Session:
    """One connected control. `screens` maps screen to code to the real-time types switched on."""

    number: int
    logged_in: bool = False
    login_count: int = 0
    line: deque[tuple[int, tuple[Event, ...]]] = field(default_factory=deque)
    """What is on its way to the control, in order, and when each is due."""
    due_ns: int = 0
    """When the last of it is due."""
    held_until_ns: int = 0
    reported: tuple[int, int] = (0, 0)
    """When the last report of an order left its venue, and when it reaches the server."""
    vi_on: bool = False
    screens: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    pages: dict[tuple[str, str], int] = field(default_factory=dict)
    """Rows already given of a continued query, by (rqname, trcode)."""


class Sessions:
    def __init__(
        self, agenda: Agenda, faults: FaultOptions, latency: LatencyOptions, seed: int, rng: Random
    ) -> None:
        self.agenda, self.faults, self.rng = agenda, faults, rng
        self.by_number: dict[int, Session] = {}
        self.outbox: list[Outbound] = []
        self.happened: Counter[str] = Counter()
        """How often each fault has struck, by kind, over the whole simulated broker."""
        self._report_way = Way(latency.report_ms, seed, "report")
        self._line_way = Way(latency.line_ms, seed, "line")
        self._frame_way = Way(latency.line_ms, seed, "line", "frames")
        self._next = 0

    def connect(self) -> Session:
        self._next += 1
        session = Session(self._next)
        self.by_number[session.number] = session
        return session

    def drop(self, number: int) -> None:
        """The control went away; its registrations go with it, its orders do not."""
        self.by_number.pop(number, None)

    def cut(self, session: Session) -> None:
        """The session is logged out, and what was on its way is lost."""
        session.logged_in = session.vi_on = False
        session.screens.clear()
        session.line.clear()

    @property
    def current(self) -> Session | None:
        """The session that is logged in, if any."""
        return next((session for session in self.by_number.values() if session.logged_in), None)

    def delay_ns(self, bounds_ms: tuple[int, int]) -> int:
        low, high = bounds_ms
        return low * MS + int((high - low) * MS * self.rng.random())

    # -- what a session gets ---------------------------------------------------------

    def post(self, session: Session, event: Event) -> None:
        """Put an event at once in the outbox, before anything that is still in the line."""
        self.outbox.append((session.number, event))

    def send(self, session: Session, *events: Event) -> None:
        """Deliver events of the server through the line."""
        self._enter(session, events, self._line_way)

    def send_frames(self, session: Session, frames: tuple[Event, ...]) -> None:
        """Deliver real-time frames that have reached the server through the line.

        Their draws are their own: what else is sent changes no delay of theirs.
        """
        self._enter(session, frames, self._frame_way)

    def report(self, session: Session, *events: Event, out_of_order_ns: int = 0) -> None:
        """Deliver what became of an order, in order: from the venue to the server, then through the line.

        `out_of_order_ns` lets the events fall behind later ones by that much (a fault).
        """
        now_ns = self.agenda.now_ns
        left_ns, due_ns = session.reported
        if left_ns != now_ns:
            due_ns = max(now_ns + self._report_way.ns(), due_ns)
            session.reported = (now_ns, due_ns)
        login = session.login_count

        def arrive(_: int) -> None:
            if session.login_count == login:
                self.send(session, *events)

        self.agenda.at(due_ns + out_of_order_ns, arrive)

    def hold(self, ms: int) -> None:
        """Everything that is in the line of the session that is logged in, or enters it, waits for `ms`."""
        session = self.current
        if session is not None:
            session.held_until_ns = self.agenda.now_ns + ms * MS
            self.agenda.at(session.held_until_ns, lambda _: self._flow(session))
            self.happened["late_events"] += 1

    def _enter(self, session: Session, events: tuple[Event, ...], way: Way) -> None:
        if not self._reaches(session):
            return
        session.due_ns = max(self.agenda.now_ns + way.ns(), session.due_ns)
        session.line.append((session.due_ns, events))
        self.agenda.at(session.due_ns, lambda _: self._flow(session))

    def _flow(self, session: Session) -> None:
        """Deliver what is due, unless the line is held."""
        now_ns, line = self.agenda.now_ns, session.line
        if now_ns < session.held_until_ns or not self._reaches(session):
            return
        while line and line[0][0] <= now_ns:
            self.outbox.extend((session.number, event) for event in line.popleft()[1])

    def _reaches(self, session: Session) -> bool:
        return session.logged_in and self.by_number.get(session.number) is session

    def drain(self) -> list[Outbound]:
        out, self.outbox = self.outbox, []
        return out
