"""The two transition tables: what becomes of one order, and of one pair.

Every row that a clean day never shows but a broker does is here and says why. The order table is
total: each life meets each kind of evidence. The pair table is not: a turn that it does not name is a
mistake of this program and raises, rather than being guessed at.
"""

from enum import StrEnum
from typing import Final


class OrderLife(StrEnum):
    """What is known of one order. Only the last three are ends: nothing more can fill."""

    COMMANDED = "commanded"
    """The command is written; the gateway has not been heard."""
    SILENT = "silent"
    """Commanded, expired, and still no word: treated as unknown until there is one."""
    SENT = "sent"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    WORKING = "working"
    DENIED = "denied"
    """The gateway's own refusal: it never left the machine."""
    VOID = "void"
    """Definite evidence that it never worked: rejected, or never arrived."""
    CLOSED = "closed"

    @property
    def ended(self) -> bool:
        return self in (OrderLife.DENIED, OrderLife.VOID, OrderLife.CLOSED)

    @property
    def doubtful(self) -> bool:
        """Whether nobody can say if it exists: never sent again, never taken as failed."""
        return self in (OrderLife.SILENT, OrderLife.UNKNOWN, OrderLife.AMBIGUOUS)


class Evidence(StrEnum):
    """What an order event says of the order's life; how far it filled is merged apart from it."""

    SENT = "sent"
    ACCEPTED = "accepted"
    FILLED = "filled"
    CLOSED = "closed"
    REJECTED = "rejected"
    DENIED = "denied"
    UNKNOWN = "unknown"
    FOUND = "found"
    NEVER_ARRIVED = "never_arrived"
    AMBIGUOUS = "ambiguous"
    REOPENED = "reopened"
    """The gateway's word that an order lives which it had told as over."""
    SILENCE = "silence"
    """Our own clock: the command has long expired and nothing was heard."""
    OUTLIVED = "outlived"
    """Its trading date is over and its end was never told: it works no more, but what it filled is not known,
    and no query shows it again."""


_L, _E = OrderLife, Evidence

_ALIVE: Final = {
    _E.ACCEPTED: _L.WORKING, _E.FILLED: _L.WORKING, _E.FOUND: _L.WORKING, _E.REOPENED: _L.WORKING,
    _E.CLOSED: _L.CLOSED,
}  # fmt: skip
_VOIDS: Final = {_E.REJECTED: _L.VOID, _E.NEVER_ARRIVED: _L.VOID}
_DOUBT: Final = {_E.UNKNOWN: _L.UNKNOWN, _E.AMBIGUOUS: _L.AMBIGUOUS}

_ORDER_TABLE: Final[dict[OrderLife, dict[Evidence, OrderLife]]] = {
    _L.COMMANDED: {**_ALIVE, **_VOIDS, **_DOUBT,
        _E.SENT: _L.SENT, _E.DENIED: _L.DENIED, _E.SILENCE: _L.SILENT,
        # Whether it was ever sent, the gateway's log of that date still says.
        _E.OUTLIVED: _L.COMMANDED,
    },
    _L.SILENT: {**_ALIVE, **_VOIDS, **_DOUBT,
        # A gateway that was away reads the command late: it sends nothing and denies it as expired.
        _E.SENT: _L.SENT, _E.DENIED: _L.DENIED,
        _E.SILENCE: _L.SILENT, _E.OUTLIVED: _L.SILENT,
    },
    _L.SENT: {**_ALIVE, **_VOIDS, **_DOUBT,
        _E.SENT: _L.SENT,
        # A command that was read twice is denied the second time: the first one was sent all the same.
        _E.DENIED: _L.SENT,
        _E.SILENCE: _L.SENT, _E.OUTLIVED: _L.AMBIGUOUS,
    },
    _L.UNKNOWN: {**_ALIVE, **_VOIDS, **_DOUBT,
        # That SendOrder returned says nothing of an arrival.
        _E.SENT: _L.UNKNOWN,
        # Read twice, denied the second time: no evidence about the first.
        _E.DENIED: _L.UNKNOWN,
        _E.SILENCE: _L.UNKNOWN, _E.OUTLIVED: _L.AMBIGUOUS,
    },
    _L.AMBIGUOUS: {**_ALIVE, **_VOIDS,
        _E.SENT: _L.AMBIGUOUS, _E.DENIED: _L.AMBIGUOUS, _E.SILENCE: _L.AMBIGUOUS,
        # Only evidence ends it; a doubt that is told again does not make it less.
        _E.UNKNOWN: _L.AMBIGUOUS, _E.AMBIGUOUS: _L.AMBIGUOUS, _E.OUTLIVED: _L.AMBIGUOUS,
    },
    _L.WORKING: {**_ALIVE,
        _E.SENT: _L.WORKING,  # told late
        _E.DENIED: _L.WORKING,  # the command was read twice
        # Accepted means that it arrived; a doubt about its arrival is older news.
        _E.UNKNOWN: _L.WORKING, _E.AMBIGUOUS: _L.WORKING, _E.NEVER_ARRIVED: _L.WORKING,
        # The broker takes an order and the exchange refuses it: the end, with whatever had filled.
        _E.REJECTED: _L.CLOSED,
        _E.SILENCE: _L.WORKING, _E.OUTLIVED: _L.AMBIGUOUS,
    },
    _L.DENIED: {
        # The last gate's word and a fill contradict each other. A fill is money: the fill wins.
        _E.FILLED: _L.WORKING, _E.FOUND: _L.WORKING, _E.REOPENED: _L.WORKING, _E.CLOSED: _L.CLOSED,
        _E.SENT: _L.DENIED, _E.ACCEPTED: _L.DENIED, _E.DENIED: _L.DENIED, _E.REJECTED: _L.DENIED,
        _E.UNKNOWN: _L.DENIED, _E.NEVER_ARRIVED: _L.DENIED, _E.AMBIGUOUS: _L.DENIED, _E.SILENCE: _L.DENIED,
        _E.OUTLIVED: _L.DENIED,
    },
    _L.VOID: {
        # "Never arrived" was wrong: the broker was slow. It lives, and can be cancelled.
        _E.FILLED: _L.WORKING, _E.FOUND: _L.WORKING, _E.REOPENED: _L.WORKING, _E.CLOSED: _L.CLOSED,
        # A late "accepted" of a rejected order is old news; one that truly lives also fills or closes.
        _E.ACCEPTED: _L.VOID,
        _E.SENT: _L.VOID, _E.DENIED: _L.VOID, _E.REJECTED: _L.VOID, _E.UNKNOWN: _L.VOID,
        _E.NEVER_ARRIVED: _L.VOID, _E.AMBIGUOUS: _L.VOID, _E.SILENCE: _L.VOID,
        _E.OUTLIVED: _L.VOID,
    },
    # Closed sticks. A fill after the cancel, or after the closing frame, is an old fill told late: its
    # quantity counts, and nothing more can come of the order, unless the gateway says that its end was none.
    _L.CLOSED: {**dict.fromkeys(_E, _L.CLOSED), _E.REOPENED: _L.WORKING},
}  # fmt: skip


def next_life(life: OrderLife, evidence: Evidence) -> OrderLife:
    """Return what an order becomes when `evidence` is heard. Total: never raises."""
    return _ORDER_TABLE[life][evidence]


class PairPhase(StrEnum):
    READY = "ready"
    """Holds nothing and has no order open: before the first clip, or between two."""
    BUYING = "buying"
    SELLING = "selling"
    FLATTENING = "flattening"
    STRANDED = "stranded"
    """What it holds cannot be sold now, or what it holds is not known: a person."""
    CLOSED = "closed"


class Turn(StrEnum):
    """What moves a pair from one phase to another."""

    CLIP_STARTED = "clip_started"
    SELL_DUE = "sell_due"
    CLIP_OVER = "clip_over"
    RESIDUAL = "residual"
    STRANDED = "stranded"
    RETRIED = "retried"
    CLAIMED = "claimed"
    ENDED = "ended"


_P, _T = PairPhase, Turn

_PAIR_TABLE: Final[dict[tuple[PairPhase, Turn], PairPhase]] = {
    (_P.READY, _T.CLIP_STARTED): _P.BUYING,
    (_P.READY, _T.ENDED): _P.CLOSED,
    # A buy that was taken for closed, or for never arrived, filled: there is a share after all.
    (_P.READY, _T.RESIDUAL): _P.FLATTENING,
    (_P.READY, _T.STRANDED): _P.STRANDED,
    (_P.BUYING, _T.SELL_DUE): _P.SELLING,
    (_P.BUYING, _T.CLIP_OVER): _P.READY,  # nothing was bought
    (_P.BUYING, _T.STRANDED): _P.STRANDED,  # the buy is ambiguous
    (_P.SELLING, _T.CLIP_OVER): _P.READY,
    (_P.SELLING, _T.RESIDUAL): _P.FLATTENING,
    (_P.SELLING, _T.STRANDED): _P.STRANDED,  # the sell is ambiguous
    (_P.FLATTENING, _T.CLIP_OVER): _P.READY,
    (_P.FLATTENING, _T.STRANDED): _P.STRANDED,
    (_P.FLATTENING, _T.CLAIMED): _P.CLOSED,  # a person was faster than the ladder
    (_P.STRANDED, _T.RETRIED): _P.FLATTENING,
    (_P.STRANDED, _T.CLAIMED): _P.CLOSED,
    # The fill of a sell is told late, or the ambiguous order proves never to have worked: flat after all.
    (_P.STRANDED, _T.CLIP_OVER): _P.READY,
    # It grew or shrank while a person is on the way: named again with the new quantity.
    (_P.STRANDED, _T.STRANDED): _P.STRANDED,
}


def next_phase(phase: PairPhase, turn: Turn) -> PairPhase:
    """Return the phase after a turn.

    Raises:
        ValueError: the table has no such row; the pair stays as it was.
    """
    try:
        return _PAIR_TABLE[phase, turn]
    except KeyError:
        raise ValueError(f"a pair that is {phase} cannot take the turn {turn}") from None


def pair_rows() -> tuple[tuple[PairPhase, Turn, PairPhase], ...]:
    """Return every row of the pair table: the diagram in docs/ARCHITECTURE.md is drawn from it."""
    return tuple((phase, turn, after) for (phase, turn), after in _PAIR_TABLE.items())
