"""Which streams Redis does not take from one process: each is told once, and its end."""

from collections.abc import Collection
from dataclasses import dataclass, field

from services.contracts.messages.alerts import AlertRaised
from services.runtime import complaints


@dataclass
class LeftOut:
    service: str
    _streams: set[str] = field(default_factory=set)

    def after(self, keys: Collection[str], left_out: Collection[str]) -> tuple[AlertRaised, ...]:
        """Return what is to be told after a write to `keys`, of which Redis did not take some."""
        new = set(left_out) - self._streams
        over = self._streams & (set(keys) - set(left_out))
        self._streams = (self._streams | new) - over
        told = [(key, False) for key in sorted(new)] + [(key, True) for key in sorted(over)]
        return tuple(complaints.left_out(self.service, key, over=is_over) for key, is_over in told)
