"""The trading lease as the gateway holds it: entries need it, and its long absence cancels them.

Counted on the monotonic clock from the id that Redis gave the renewal, on the pessimistic side;
what cannot be measured is not held (design, 6).
"""

from dataclasses import dataclass

from services.contracts.limits import LEASE_CANCEL_AFTER_MS, LEASE_MS, NS_PER_MS
from services.contracts.terms import TradingState


@dataclass(frozen=True, slots=True)
class Lease:
    """`expires_mono_ns` on this machine's monotonic clock; 0 where none was ever seen.

    `state` is the trading state of the newest renewal: the control stream may be read later than it.
    """

    expires_mono_ns: int = 0
    reference_hash: str = ""
    state: TradingState = TradingState.ARMED

    def held(self, mono_ns: int) -> bool:
        return mono_ns < self.expires_mono_ns

    def allows_entries(self, mono_ns: int) -> bool:
        return self.held(mono_ns) and self.state.allows_entries

    def left_ms(self, mono_ns: int) -> int:
        return max(0, (self.expires_mono_ns - mono_ns) // NS_PER_MS)

    def must_cancel(self, mono_ns: int) -> bool:
        """Whether it has lapsed for so long that open entries are to be taken back."""
        grace_ms = LEASE_CANCEL_AFTER_MS - LEASE_MS
        return mono_ns >= self.expires_mono_ns + grace_ms * NS_PER_MS

    def renewed(
        self, expires_mono_ns: int, reference_hash: str, state: TradingState = TradingState.ARMED
    ) -> "Lease":
        """Return the lease after a renewal; an older one never shortens it."""
        return Lease(max(self.expires_mono_ns, expires_mono_ns), reference_hash, state)


def entry_id_ns(entry_id: str) -> int:
    """Return when Redis took an entry, ns, from its id. Raises ValueError for what is no id."""
    return int(entry_id.partition("-")[0]) * NS_PER_MS
