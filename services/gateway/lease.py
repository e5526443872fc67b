"""The trading lease as the gateway holds it: entries need it, and its long absence cancels them.

Counted on the monotonic clock from the id that Redis gave the renewal, on the pessimistic side;
what cannot be measured is not held (design, 6). It carries what risk goes by, and an entry needs all of it:
a state that allows entries, an epoch of risk no older than one seen before, and the reference in force here.

An epoch that no risk holds would bar every risk after it. So an older epoch is followed once it has renewed
for `LEASE_DOUBT_MS` and the newer one not at all. Until then no entry leaves.
"""

from dataclasses import dataclass, replace

from services.contracts.limits import LEASE_CANCEL_AFTER_MS, LEASE_DOUBT_MS, LEASE_MS, NS_PER_MS
from services.contracts.terms import TradingState


@dataclass(frozen=True, slots=True)
class Lease:
    """`expires_mono_ns` on this machine's monotonic clock; 0 where none was ever seen.

    `state`, `reference_hash` and `risk_epoch` are those of the newest renewal that was taken: the control
    stream may be read later than it. `stale_epoch` is an older one that renewed since, the first time until
    `stale_until_mono_ns`.
    """

    expires_mono_ns: int = 0
    reference_hash: str = ""
    state: TradingState = TradingState.DISARMED
    risk_epoch: int = 0
    stale_epoch: int | None = None
    stale_until_mono_ns: int = 0

    def held(self, mono_ns: int) -> bool:
        return mono_ns < self.expires_mono_ns

    def problem(self, mono_ns: int, reference_hash: str) -> str:
        """Return why no entry may leave where `reference_hash` is in force; empty where one may."""
        if not self.held(mono_ns):
            return self._stale or "it is not renewed"
        if not self.state.allows_entries:
            return f"risk says {self.state} in it"
        return self._stale or self._of_another_reference(reference_hash)

    def misfit(self, mono_ns: int, reference_hash: str) -> str:
        """Return what of the renewals does not fit this gateway, in whichever state; empty where all does."""
        return self._stale or (self._of_another_reference(reference_hash) if self.held(mono_ns) else "")

    @property
    def _stale(self) -> str:
        if self.stale_epoch is None:
            return ""
        return (
            f"it is of risk's epoch {self.stale_epoch}, and one of {self.risk_epoch} came before; entries "
            f"wait until that one has renewed nothing for {LEASE_DOUBT_MS} ms"
        )

    def _of_another_reference(self, reference_hash: str) -> str:
        if reference_hash and self.reference_hash == reference_hash:
            return ""
        theirs, ours = self.reference_hash or "none", reference_hash or "none"
        return f"risk goes by reference {theirs}, the gateway by {ours}"

    def left_ms(self, mono_ns: int) -> int:
        return max(0, (self.expires_mono_ns - mono_ns) // NS_PER_MS)

    def must_cancel(self, mono_ns: int) -> bool:
        """Whether it has lapsed for so long that open entries are to be taken back."""
        grace_ms = LEASE_CANCEL_AFTER_MS - LEASE_MS
        return mono_ns >= self.expires_mono_ns + grace_ms * NS_PER_MS

    def renewed(
        self, expires_mono_ns: int, reference_hash: str, state: TradingState, risk_epoch: int
    ) -> "Lease":
        """Return the lease after a renewal. An older one never shortens it. One of an older epoch renews
        nothing while in doubt: it can only stop, until the next."""
        if risk_epoch < self.risk_epoch and not self._outlived(expires_mono_ns):
            stopped = self.state if state.allows_entries else state
            since_ns = self.stale_until_mono_ns or expires_mono_ns
            return replace(self, state=stopped, stale_epoch=risk_epoch, stale_until_mono_ns=since_ns)
        return Lease(max(self.expires_mono_ns, expires_mono_ns), reference_hash, state, risk_epoch)

    def _outlived(self, expires_mono_ns: int) -> bool:
        """Whether an older epoch has renewed for so long, and the newer one not at all meanwhile."""
        since_ns = self.stale_until_mono_ns
        return since_ns > 0 and expires_mono_ns - since_ns >= LEASE_DOUBT_MS * NS_PER_MS

    def of_another_redis(self) -> "Lease":
        """Return the lease where Redis lost data. Epochs may count anew from a lower number, and what the
        state rests on may be lost with its writer: the next renewal says what holds."""
        return replace(
            self, risk_epoch=0, stale_epoch=None, stale_until_mono_ns=0, state=TradingState.DISARMED
        )


def entry_id_ns(entry_id: str) -> int:
    """Return when Redis took an entry, ns, from its id. Raises ValueError for what is no id."""
    return int(entry_id.partition("-")[0]) * NS_PER_MS
