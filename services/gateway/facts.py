"""What happens to the gateway: copied out of the control's events, or read from Redis, by the shell.

A fact carries values only; nothing in it can be asked later. `Moment` is one fact with the time at
which the core is asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.contracts.messages.commands import AmendOrder, CancelOrder, PlaceOrder
from services.contracts.step import Received
from services.contracts.terms import Symbol, TradingState, Venue


@dataclass(frozen=True, slots=True)
class Started:
    """The process has loaded its state and the control is there."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Redis came back without what was last written: everything must be said again."""


@dataclass(frozen=True, slots=True)
class Clocked:
    """Time passed. What the shell measures comes along."""

    halt_file: bool = False
    halt_why: str = ""
    """Why the supervisor laid its file; empty where none of it lies there."""
    halt_entry: str = ""
    """What a person laid, as people read it; empty where there is nothing."""
    last_book_ns: Mapping[Venue, int] = field(default_factory=dict)
    heard_ns: Mapping[tuple[Symbol, Venue], int] | None = None
    """When the newest frame of each book came; None where the shell does not count them."""
    queue_depths: Mapping[str, int] = field(default_factory=dict)
    quotes_published: int = 0
    quotes_conflated: int = 0
    exchange_apart_ns: Mapping[Venue, int] = field(default_factory=dict)
    """Market time less FID 21 of the newest frames where they are nearest, by venue of which any came."""
    log_lost: str = ""
    """How the file of the log of intentions was once found not to be the one written, empty where never."""
    log_kept: bool = True
    """Whether that file is now the one written."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An entry of a stream that is read once."""

    received: Received


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A command at which the core failed; nothing of that step took place."""

    command: PlaceOrder | AmendOrder | CancelOrder
    problem: str


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """A renewal, with its end on this machine's monotonic clock, and what risk went by then."""

    expires_mono_ns: int
    reference_hash: str
    state: TradingState
    risk_epoch: int


@dataclass(frozen=True, slots=True)
class Connected:
    """OnEventConnect."""

    code: int


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What `GetLoginInfo` says after a login."""

    accounts: tuple[str, ...]
    server_gubun: str


@dataclass(frozen=True, slots=True)
class MasterRead:
    """What the control knows of the symbols without asking the server."""

    symbols: frozenset[Symbol]
    nxt_eligible: frozenset[Symbol]
    warnings: frozenset[Symbol]
    halted: frozenset[Symbol]
    funds: frozenset[Symbol] | None = None
    """Which of them the broker lists as funds; None where its list is blank."""
    nxt_list_blank: bool = False
    """Whether the list of NXT names no share at all: then `nxt_eligible` says nothing."""
    states_blank: frozenset[Symbol] = frozenset()
    """Symbols whose state is blank: `halted` says nothing of them."""
    strange: tuple[tuple[str, str], ...] = ()
    """Words that no list of the broker has, each with the name of the list."""


@dataclass(frozen=True, slots=True)
class Registered:
    screen: str
    code: int


@dataclass(frozen=True, slots=True)
class Answered:
    """OnReceiveTrData: of an order (its number in `single`) or of a query."""

    screen: str
    rqname: str
    trcode: str
    more: bool
    single: Mapping[str, str]
    rows: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """OnReceiveMsg."""

    rqname: str
    text: str


@dataclass(frozen=True, slots=True)
class OrderFramed:
    """OnReceiveChejanData of gubun 0, text by FID."""

    values: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class SessionSignalled:
    """Real type 장시작시간: FID 215."""

    value: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Real type VI발동/해제, text by FID."""

    values: Mapping[int, str]


ORDER_EVENTS = ("OnReceiveTrData", "OnReceiveChejanData")
"""The events of the control that may tell of orders."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """An event of the control that could not be copied out; `failures` counts all of this process."""

    event: str
    problem: str
    failures: int


@dataclass(frozen=True, slots=True)
class SendReturned:
    """SendOrder came back; 0 says only that the request left. How long its disk and the call took, ns, and
    whether the intention had been written: a cancel leaves without."""

    order_id: str
    code: int
    sync_ns: int = 0
    call_ns: int = 0
    logged: bool = True


ELSEWHERE: Final = "another gateway wrote the same order into the log of intentions"
"""Why a call is not made that another process may have made."""
LATE: Final = "the disk took its intention too late"
"""Why an entry is not sent that would leave late."""


@dataclass(frozen=True, slots=True)
class SendWithheld:
    """The shell did not call SendOrder. `logged` is whether the intention had been written."""

    order_id: str
    why: str
    logged: bool


@dataclass(frozen=True, slots=True)
class QueryReturned:
    rqname: str
    code: int


Fact = (
    Started | Forgotten | Garbled | Clocked | Delivered | Unjudged | LeaseSeen | Connected | LoggedIn
    | MasterRead | Registered | Answered | Told | OrderFramed | SessionSignalled | Interrupted
    | SendReturned | SendWithheld | QueryReturned
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """One fact and when the core is asked: Redis time and this machine's monotonic clock, ns."""

    fact: Fact
    now_ns: int
    mono_ns: int
