"""Which connection a client has: redis-py replaces one that has ended without an error."""

from typing import Any


class Lines:
    """Counts the connections of one client: redis-py replaces one that has ended without an error."""

    def __init__(self) -> None:
        self._made = self._seen = 0

    def __call__(self, connection: Any) -> None:
        """Begin a connection, as redis-py does by itself."""
        connection.on_connect()
        self._made += 1

    def replaced(self) -> bool:
        """Return whether there is another connection than at the last call; the first is no other."""
        before, self._seen = self._seen, self._made
        return before not in (0, self._made)
