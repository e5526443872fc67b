"""What the core wants done outside: calls on the control, lines of the intention log, the end.

The shell does them in order, on the Qt thread, from a timer and never from inside an event of
the control (Kiwoom sheet 8.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.terms import Symbol

SendArgs = tuple[str, str, str, int, str, int, int, str, str]
"""rqname, screen, account, nOrderType, plain code, qty, price, hogaGb, original number."""


@dataclass(frozen=True, slots=True)
class Connect:
    """CommConnect."""


@dataclass(frozen=True, slots=True)
class ReadLogin:
    """GetLoginInfo: answered by LoggedIn."""


@dataclass(frozen=True, slots=True)
class ReadMaster:
    """Master data of the symbols: answered by MasterRead."""

    symbols: tuple[Symbol, ...]


@dataclass(frozen=True, slots=True)
class Register:
    """SetRealReg; replaces what the screen had, or `adds` to it."""

    screen: str
    codes: tuple[str, ...]
    fids: tuple[int, ...]
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Unregister:
    screen: str


@dataclass(frozen=True, slots=True)
class DropScreen:
    """DisconnectRealData: a query may have registered real-time data on its screen (Kiwoom sheet 5.2)."""

    screen: str


@dataclass(frozen=True, slots=True)
class Query:
    """CommRqData, or CommKwRqData where `codes` are given."""

    rqname: str
    trcode: str
    inputs: tuple[tuple[str, str], ...]
    screen: str
    more: bool = False
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """Sync `intention` to disk, look at clock, lease and HALT file once more, then SendOrder.

    `lease_until_mono_ns` is 0 for what needs no lease, `leave_by_mono_ns` for what may leave late.
    """

    order_id: str
    args: SendArgs
    intention: Mapping[str, object]
    trading_date: str
    lease_until_mono_ns: int = 0
    stopped_by_halt_file: bool = True
    leave_by_mono_ns: int = 0

    @property
    def cancels(self) -> bool:
        """Whether it takes an order back: that is stopped by nothing."""
        return not self.stopped_by_halt_file


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the intention log that need not be synced."""

    line: Mapping[str, object]
    trading_date: str


@dataclass(frozen=True, slots=True)
class Exit:
    """End the process with this code, after everything said has been written."""

    code: int
    why: str


Effect = Connect | ReadLogin | ReadMaster | Register | Unregister | DropScreen | Query | Send | Note | Exit

EXIT_REFUSED = 5
"""The login is not what the settings say: a person must look."""
EXIT_RECONNECT = 10
"""The connection is gone: the supervisor starts a new process."""
EXIT_PLANNED_CUT = 11
"""The broker's nightly cut: the supervisor starts a new process after it."""
