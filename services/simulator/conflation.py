"""What a venue sends of one code: the newest a few times a second, each time a while on its way.

A change leaves at once where nothing has left for a while, else when it may, as what it has become by then.
What has left arrives in the order in which it left.
"""

from collections.abc import Callable

from services.simulator.agenda import Agenda
from services.simulator.events import Ticked
from services.simulator.latency import Load, Way

SECOND_NS = 1_000_000_000
Frames = tuple[Ticked, ...]


class Channel:
    """One code of one venue on its way to the broker's server.

    `frames` makes what is to leave, from what the venue is then; `arrive` takes it with the moment at which
    it left, ns.
    """

    __slots__ = (
        *("_agenda", "_arrive", "_arrived_ns", "_frames", "_free_ns"),
        *("_gap_ns", "_load", "_waits", "_way"),
    )

    def __init__(
        self, agenda: Agenda, way: Way, load: Load, frames_per_s: float,
        frames: Callable[[], Frames], arrive: Callable[[Frames, int], None],
    ) -> None:  # fmt: skip
        self._agenda, self._way, self._load = agenda, way, load
        self._frames, self._arrive = frames, arrive
        self._gap_ns = int(SECOND_NS / frames_per_s) if frames_per_s else 0
        self._free_ns = self._arrived_ns = 0
        self._waits = False

    def changed(self) -> None:
        """Something is to be sent, as soon as the rate allows."""
        if not self._waits:
            self._waits = True
            self._agenda.at(max(self._agenda.now_ns, self._free_ns), self._leave)

    def _leave(self, now_ns: int) -> None:
        self._waits = False
        frames = self._frames()
        if frames:
            self._free_ns = now_ns + self._gap_ns
            self.send(frames)

    def send(self, frames: Frames) -> None:
        """Send these now, whatever the rate."""
        left_ns = self._agenda.now_ns
        self._arrived_ns = max(left_ns + self._way.ns(self._load.at(left_ns)), self._arrived_ns)
        self._agenda.at(self._arrived_ns, lambda _: self._arrive(frames, left_ns))
