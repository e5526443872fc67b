"""What the gateway's two Redis threads tell each other: Redis may be another one than it was."""

import threading


class Doubt:
    """Raised by either thread, settled by the writer once it has looked at what Redis knows.

    A doubt that is raised while the writer looks stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._raised = self._settled = 0
        self._anew = self._emptied = False

    @property
    def raised(self) -> int:
        """How often one was raised, so that each thread notices every one."""
        return self._raised

    def is_set(self) -> bool:
        return self._raised != self._settled

    def set(self, *, anew: bool = False) -> None:
        """Raise it. `anew`: a stream begins anew, so that what was said in it may be gone."""
        with self._lock:
            self._raised += 1
            self._anew = self._anew or anew

    def settle(self, raised: int, *, emptied: bool) -> bool:
        """The writer has looked at what was raised till then. Return whether a stream began anew.

        Where Redis is found `emptied` the reader begins anew too.
        """
        with self._lock:
            self._settled = raised
            anew, self._anew = self._anew, False
            self._emptied = self._emptied or emptied
            if emptied:
                self._raised += 1
                self._settled += 1
        return anew

    def take_emptied(self) -> bool:
        """Return whether Redis was found empty since the last call."""
        with self._lock:
            emptied, self._emptied = self._emptied, False
        return emptied
