"""Gates: what must hold for a new pair, closing and opening by itself.

Each closed gate is a sentence for a person. Those that open by the clock (the entry window, the feeds
of a market that does not trade yet) do not stand against arming: a desk arms before the open.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from services.contracts.limits import JOURNAL_LAG_MS, LOSSLESS_ALARM, NS_PER_MS
from services.contracts.messages.venue_state import ConnectionState
from services.risk.state import SERVICE, Beat, RiskState


class GateKey(StrEnum):
    REFERENCE = "reference"
    DAY = "day"
    CONNECTION = "connection"
    RECONCILIATION = "reconciliation"
    ACCOUNT = "account"
    HALT_FILE = "halt_file"
    HEARTBEAT = "heartbeat"
    BUILDS = "builds"
    IN_FORCE = "in_force"
    CLOCK = "clock"
    JOURNAL = "journal"
    STREAMS = "streams"
    WINDOW = "window"
    FEED = "feed"

    @property
    def opens_by_the_clock(self) -> bool:
        return self in (GateKey.WINDOW, GateKey.FEED)

    @property
    def told_by_risk(self) -> bool:
        """Whether risk rings where it stays closed; the window closes each day, a HALT file rings itself."""
        return self not in (GateKey.WINDOW, GateKey.HALT_FILE)


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that is closed now, and why in a sentence."""

    key: GateKey
    sentence: str


def closed_gates(state: RiskState, now_ns: int) -> tuple[Gate, ...]:
    """Return every gate that is closed at `now_ns`, in the order of `GateKey`."""
    return tuple(Gate(key, sentence) for key, look in _GATES for sentence in look(state, now_ns))


def arming_obstacles(state: RiskState, now_ns: int) -> tuple[str, ...]:
    """Return why arming must be refused now: latches first, then gates, a sentence each."""
    latches = tuple(
        f"The latch {held.latch} holds: {held.detail} Lift it with `arb latch clear {held.latch}`."
        for held in state.trading.latches
    )
    gates = closed_gates(state, now_ns)
    return latches + tuple(gate.sentence for gate in gates if not gate.key.opens_by_the_clock)


def fresh_beats(state: RiskState, now_ns: int) -> dict[str, Beat]:
    """Return the services whose last heartbeat is not too old."""
    oldest_ns = now_ns - state.heartbeat_timeout_ms * NS_PER_MS
    return {name: beat for name, beat in state.beats.items() if beat.at_ns >= oldest_ns}


def compared_since_ns(state: RiskState) -> int | None:
    """Return since when a comparison with the broker must have begun to count: the start of this process, or
    the last loss that Redis had; None while our own heartbeat has not come round."""
    own = state.beats.get(SERVICE)
    return None if own is None else max(own.heartbeat.started_at_ns, state.doubted_ns)


def is_compared(state: RiskState) -> bool:
    """Whether a comparison with the broker, at rest, answers for what this process knows."""
    since_ns, done = compared_since_ns(state), state.reconciled
    if done is None or since_ns is None:
        return False
    return since_ns == 0 or (done.begun_ns > since_ns and done.at_rest)


def builds_running(state: RiskState, now_ns: int) -> dict[str, list[str]]:
    """Return the build ids among fresh heartbeats, each with its services."""
    builds: dict[str, list[str]] = {}
    for name, beat in sorted(fresh_beats(state, now_ns).items()):
        builds.setdefault(beat.heartbeat.build_id, []).append(name)
    return builds


def describe_builds(builds: dict[str, list[str]]) -> str:
    return "; ".join(f"{build or 'no id'}: {', '.join(names)}" for build, names in builds.items())


def _reference(state: RiskState, now_ns: int) -> Iterator[str]:
    if state.reference is None:
        yield "No symbol map, costs and limits are in force; mend the files and `arb limits reload`."
    unknown = () if state.files is None else state.files.unknown
    if unknown:
        yield (
            f"limits.toml does not say {', '.join(unknown)}: at their strictest until it does; `arb doctor` "
            "prints the lines to add, then `arb limits reload`."
        )


def _day(state: RiskState, now_ns: int) -> Iterator[str]:
    date = state.venue.trading_date
    if not date:
        yield "The gateway has not said which trading date it is."
        return
    if date < state.day.trading_date:
        yield f"The gateway speaks of {date}, and {state.day.trading_date} has begun: look at its clock."
    if state.reference is not None and state.reference.trading_date != date:
        yield f"Reference data is of {state.reference.trading_date}, the trading date is {date}."
    if state.venue.facts is None:
        yield f"The broker's facts of {date} (eligible symbols, price bands) are not there yet."
    window = state.venue.window
    if window is not None and window.barred:
        yield f"The date itself bars entries: {window.reason}."
    sentences = () if state.venue.facts is None else state.venue.facts.sessions_without_codes
    for sentence in sentences:
        yield f"{sentence}."


def _connection(state: RiskState, now_ns: int) -> Iterator[str]:
    connection = state.venue.connection
    if connection is None:
        yield "The gateway has not said whether it is connected to the broker."
    elif connection.state is not ConnectionState.READY:
        why = f" ({connection.detail})" if connection.detail else ""
        yield f"The connection to the broker is {connection.state}{why}."


def _reconciled(state: RiskState, now_ns: int) -> Iterator[str]:
    epoch = state.venue.connection_epoch
    if state.reconciled is None or state.reconciled.connection_epoch != epoch:
        yield f"Orders and holdings were not compared with the broker's since connection {max(epoch, 0)}."
    elif not is_compared(state):
        yield (
            "Orders, holdings and cash were not compared with the broker's at rest since risk started or "
            "Redis lost data; the gateway is asked for it."
        )


def _account(state: RiskState, now_ns: int) -> Iterator[str]:
    if state.account is None:
        yield "The broker has not reported the account today."
    elif state.account.report.trading_date != state.venue.trading_date:
        yield f"The last report of the account is of {state.account.report.trading_date}."


def _halt_file(state: RiskState, now_ns: int) -> Iterator[str]:
    if state.halt_file == "supervisor":
        yield "The supervisor keeps the gateway from sending; it lets it go by itself."
    elif state.halt_file:
        yield f"{state.halt_file} lies beside the gateway, which sends only cancels; remove it there first."


def _heartbeats(state: RiskState, now_ns: int) -> Iterator[str]:
    fresh = fresh_beats(state, now_ns)
    absent = [name for name in state.required_services if name not in fresh]
    if absent:
        yield f"No heartbeat of {', '.join(absent)} in the last {state.heartbeat_timeout_ms} ms."


def _builds(state: RiskState, now_ns: int) -> Iterator[str]:
    builds = builds_running(state, now_ns)
    if len(builds) > 1:
        yield f"Services of different builds are running ({describe_builds(builds)})."


def _in_force(state: RiskState, now_ns: int) -> Iterator[str]:
    behind = [
        name
        for name, beat in sorted(fresh_beats(state, now_ns).items())
        if name in state.required_services and beat.heartbeat.reference_hash not in ("", state.reference_hash)
    ]
    if behind:
        yield f"{', '.join(behind)} computes with other reference data than is in force."


def _clocks(state: RiskState, now_ns: int) -> Iterator[str]:
    doubting = [name for name, beat in sorted(fresh_beats(state, now_ns).items()) if beat.doubts]
    if doubting:
        yield f"{', '.join(doubting)} does not trust its clock: ages cannot be compared."


def _journal(state: RiskState, now_ns: int) -> Iterator[str]:
    lag_ms = 0 if state.journal is None else state.journal.journal_lag_ms
    if lag_ms > JOURNAL_LAG_MS:
        yield f"The journal is {lag_ms // 1_000} s behind: what is done now might not be on record."


def _streams(state: RiskState, now_ns: int) -> Iterator[str]:
    entries = 0 if state.journal is None else state.journal.longest_stream_entries
    if state.journal is not None and entries >= 2 * LOSSLESS_ALARM:
        yield f"The stream {state.journal.longest_stream} has {entries} entries: a reader does not keep up."


def _window(state: RiskState, now_ns: int) -> Iterator[str]:
    window = state.venue.window
    if window is None:
        yield "The gateway has not said when entries are allowed."
    elif not state.venue.window_open(now_ns):
        yield f"The entry window is closed: {window.reason if not window.open else 'its time is over'}."
    elif not state.venue.both_continuous:
        yield "The venues do not both trade continuously."


def _feeds(state: RiskState, now_ns: int) -> Iterator[str]:
    if state.venue.both_continuous and not state.venue.feeds_alive:
        yield "The feed of a venue does not move although it trades."


_GATES: tuple[tuple[GateKey, Callable[[RiskState, int], Iterator[str]]], ...] = (
    (GateKey.REFERENCE, _reference),
    (GateKey.DAY, _day),
    (GateKey.CONNECTION, _connection),
    (GateKey.RECONCILIATION, _reconciled),
    (GateKey.ACCOUNT, _account),
    (GateKey.HALT_FILE, _halt_file),
    (GateKey.HEARTBEAT, _heartbeats),
    (GateKey.BUILDS, _builds),
    (GateKey.IN_FORCE, _in_force),
    (GateKey.CLOCK, _clocks),
    (GateKey.JOURNAL, _journal),
    (GateKey.STREAMS, _streams),
    (GateKey.WINDOW, _window),
    (GateKey.FEED, _feeds),
)
