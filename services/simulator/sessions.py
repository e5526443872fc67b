"""The programs that are connected, and the one pipe of events to each.

One login at a time: a later one cuts off the earlier (Kiwoom sheet 5.4). Events of a session keep
their order; what was on the way when a session ended is lost, as with the real server.
"""

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from services.simulator.agenda import Agenda
from services.simulator.events import Event
from services.simulator.options import FaultOptions

MS = 1_000_000
Outbound = tuple[int, Event]


@dataclass(slots=True)
class Session:
    """One connected control. `screens` maps screen to code to the real-time types switched on."""

    number: int
    logged_in: bool = False
    login_count: int = 0
    pipe_free_ns: int = 0
    vi_on: bool = False
    screens: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    pages: dict[tuple[str, str], int] = field(default_factory=dict)
    """Rows already given of a continued query, by (rqname, trcode)."""


class Sessions:
    def __init__(self, agenda: Agenda, faults: FaultOptions, rng: Random) -> None:
        self.agenda, self.faults, self.rng = agenda, faults, rng
        self.by_number: dict[int, Session] = {}
        self.outbox: list[Outbound] = []
        self.happened: Counter[str] = Counter()
        """How often each fault has struck, by kind, over the whole simulated broker."""
        self._next = 0

    def connect(self) -> Session:
        self._next += 1
        session = Session(self._next)
        self.by_number[session.number] = session
        return session

    def drop(self, number: int) -> None:
        """The control went away; its registrations go with it, its orders do not."""
        self.by_number.pop(number, None)

    @property
    def current(self) -> Session | None:
        """The session that is logged in, if any."""
        return next((session for session in self.by_number.values() if session.logged_in), None)

    def delay_ns(self, bounds_ms: tuple[int, int]) -> int:
        low, high = bounds_ms
        return low * MS + int((high - low) * MS * self.rng.random())

    def post(self, session: Session, event: Event) -> None:
        """Put an event at once in the outbox, before anything that is still in the pipe."""
        self.outbox.append((session.number, event))

    def send(self, session: Session, *events: Event, out_of_order_ns: int = 0) -> None:
        """Deliver events through the pipe, in order.

        `out_of_order_ns` lets them fall behind later ones by that much (a fault).
        """
        due_ns = self.agenda.now_ns + self.delay_ns(self.faults.event_delay_ms)
        if self.rng.random() < self.faults.stall_rate:
            due_ns += self.delay_ns(self.faults.stall_ms)
            self.happened["late_events"] += 1
        due_ns = max(due_ns, session.pipe_free_ns)
        if not out_of_order_ns:
            session.pipe_free_ns = due_ns
        login = session.login_count
        self.agenda.at(due_ns + out_of_order_ns, lambda _: self._deliver(session, login, events))

    def _deliver(self, session: Session, login: int, events: tuple[Event, ...]) -> None:
        alive = self.by_number.get(session.number) is session
        if alive and session.logged_in and session.login_count == login:
            self.outbox.extend((session.number, event) for event in events)

    def drain(self) -> list[Outbound]:
        out, self.outbox = self.outbox, []
        return out
