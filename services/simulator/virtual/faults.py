"""The faults that a virtual day promises to survive, and how often each comes.

Every field is a promise: what is injected here must leave all invariants standing. A seed draws its
own rates, some of them zero, so that combinations meet that no single setting would show.
"""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from services.contracts.terms import TradingDate
from services.simulator.options import FaultOptions
from services.simulator.virtual.listings import BASKETS, DATES, LISTED, ORDINARY_DATE


@dataclass(frozen=True, slots=True)
class ServiceFaults:
    """Chances per service and second of virtual time, unless said otherwise."""

    crash_before_commit: float = 0.0
    """The process dies with a turn decided and not written."""
    crash_after_commit: float = 0.0
    """The process dies with a turn written and its memory gone."""
    pause: float = 0.0
    """The process stands still and comes back (SIGSTOP, a long collection, a sleeping machine)."""
    second_instance: float = 0.0
    """A pause during which a successor is started: the first comes back to find itself fenced."""
    stall: float = 0.0
    """One stream reaches one reader late: streams are reordered against each other."""
    bus_down: float = 0.0
    """Redis does not answer for a while (per second, not per service)."""
    bus_forgets: float = 0.0
    """Redis comes back without its last second (per second, not per service)."""
    clock_jump: float = 0.0
    """One service reads Redis time wrong by up to `clock_jump_ms`, from then on."""
    clock_jump_ms: int = 150
    bus_reorders: float = 0.0
    """For a while one reader sees what is new of several streams in any order between the streams."""
    bus_loses_reply: float = 0.0
    """A write of the service is taken, and its reply lost: it counts as not written there."""
    bus_repeats: float = 0.0
    """The newest entry of one stream comes a second time (per second, not per service)."""
    crash_at_send: float = 0.0
    """The gateway dies around SendOrder: with the intention on disk and nothing sent, or inside the call
    (a chance per order)."""
    operator: float = 0.0
    """A person pauses, reduces or halts, and arms again (per second)."""


BROKER_RATES = {
    "reject_rate": 0.1,
    "late_reject_rate": 0.05,
    "fade_rate": 0.8,
    "never_arrives_rate": 0.05,
    "send_fail_rate": 0.03,
    "late_arrival_rate": 0.1,
    "lost_ack_rate": 0.08,
    "lost_chejan_rate": 0.12,
    "silent_close_rate": 0.6,
    "chejan_first_rate": 0.3,
    "duplicate_chejan_rate": 0.3,
    "order_overflow_rate": 0.08,
    "slow_match_rate": 0.2,
    "query_fail_rate": 0.15,
    "query_overflow_rate": 0.15,
    "slow_query_rate": 0.25,
    "duplicate_vi_rate": 1.0,
    "silent_registration_rate": 0.1,
    "hand_twin_rate": 0.1,
    "duplicate_connect_rate": 0.3,
    "stalls_per_hour": 480.0,
    "disconnects_per_hour": 600.0,
    "freezes_per_hour": 480.0,
    "hand_orders_per_hour": 240.0,
    "refusal_shows_rest_rate": 1.0,
    "cancel_reject_rate": 0.3,
    "other_account_rate": 0.5,
    "blank_row_rate": 0.1,
    "blank_vi_rate": 0.5,
}
"""The most that a seed may draw of each of the broker's faults (a chance, or per hour where it says so)."""
WORD_RATES = {
    "part_fill_rate": 1.0,
    "blank_output_rate": 0.1,
    "unnamed_outputs_blank_rate": 1.0,
    "blank_screen_rate": 1.0,
    "blank_venue_rate": 1.0,
}
"""The same of how the broker fills and what its words leave out. All are assumed."""
SERVICE_RATES = {
    "crash_before_commit": 0.06,
    "crash_after_commit": 0.06,
    "pause": 0.05,
    "second_instance": 0.02,
    "stall": 0.1,
    "bus_down": 0.1,
    "bus_forgets": 0.1,
    "clock_jump": 0.02,
    "bus_reorders": 0.1,
    "bus_loses_reply": 0.03,
    "bus_repeats": 0.5,
    "crash_at_send": 0.15,
    "operator": 0.15,
}
NEAR_THE_LIMIT = (930, 975)
"""Queries used of the 1,000 an hour; a login and what follows need about twenty."""
SCARCE_KRW = (300_000, 12_000_000)
"""Cash of the desk on a day of little: less than a share, or up to what `desk.CLIPS` lets be open."""
ABSENT = 0.45
"""The chance that a kind of fault does not occur in a day at all."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a desk and its market are on a day: no faults, but other ways to go wrong."""

    clip_shares: int = 1
    """One of `desk.CLIPS`."""
    thin: bool = False
    """Few shares stand at each price, so that orders of several shares fill in part and at several prices."""
    held_shares: int = 0
    """Shares of each symbol that lie in the account for another reason: what is sold too much is taken."""
    nxt_takes_ioc: bool = True
    trading_date: TradingDate = ORDINARY_DATE
    basket: str = LISTED
    """`LISTED`, or one of `listings.BASKETS`."""
    page_rows: int = 100
    queries_used: int = 0
    """Queries of the last hour before the day, known to the gateway."""
    cash_krw: int = 200_000_000
    """From less than one clip to plenty."""
    nxt_pause_takes_cancels: bool = True
    pause_refuses_by_frame: bool = False


@dataclass(frozen=True, slots=True)
class DayFaults:
    """What one day draws."""

    services: ServiceFaults
    broker: FaultOptions
    vi_per_symbol_hour: float = 0.0
    halts_per_s: float = 0.0
    nightly_cut: bool = False
    """The broker closes its line after the last session and opens it again, as it does every night."""
    delistings_per_s: float = 0.0
    """NXT takes a symbol off its list in the day, and puts it on again."""
    relogin_ms: int = 0
    """How long the broker refuses a login after it cut the line."""
    terms: Terms = Terms()


def draw(rng: Random) -> DayFaults:
    """Return the faults of a day. The same generator state gives the same faults."""

    def rate(most: float) -> float:
        return _rate(rng, most)

    service_rates: dict[str, Any] = {name: rate(most) for name, most in SERVICE_RATES.items()}
    broker_rates: dict[str, Any] = {name: rate(most) for name, most in BROKER_RATES.items()}
    services, broker = ServiceFaults(**service_rates), FaultOptions(**broker_rates)
    day = DayFaults(
        services, broker, rate(150.0), rate(0.1), nightly_cut=rng.random() < 0.5,
        delistings_per_s=rate(0.05), relogin_ms=rng.choice((0, 500, 3_000)), terms=_terms(rng),
    )  # fmt: skip
    return _of_the_broker(day, _beside(rng))


def _rate(rng: Random, most: float) -> float:
    return 0.0 if rng.random() < ABSENT else most * rng.random()


def _beside(rng: Random) -> Random:
    """Return a generator whose draws leave those of `rng` as they are, so that seeds keep their days."""
    beside = Random()
    beside.setstate(rng.getstate())
    return Random(beside.random())


def _of_the_broker(day: DayFaults, rng: Random) -> DayFaults:
    """Return the day with the habits of its broker: what its words leave out, its pages, what is used up."""
    rates: dict[str, Any] = {name: _rate(rng, most) for name, most in WORD_RATES.items()}
    terms = replace(
        day.terms,
        page_rows=rng.choice((100, 100, 30, 10, 3)),
        queries_used=rng.choice((0, 0, rng.randint(0, 900), rng.randint(*NEAR_THE_LIMIT))),
        cash_krw=rng.choice((200_000_000, rng.randint(*SCARCE_KRW))),
        nxt_pause_takes_cancels=rng.random() < 0.5,
        pause_refuses_by_frame=rng.random() < 0.5,
    )
    return replace(day, broker=replace(day.broker, **rates, venue_fids=rng.random() < 0.8), terms=terms)


def _terms(rng: Random) -> Terms:
    return Terms(
        clip_shares=rng.choice((1, 6, 6)), thin=rng.random() < 0.8, held_shares=rng.choice((0, 20)),
        nxt_takes_ioc=rng.random() < 0.75, trading_date=rng.choice(tuple(DATES)),
        basket=rng.choice((LISTED, LISTED, *BASKETS)),
    )  # fmt: skip


KINDS = (
    "lost_ack", "chejan_first", "duplicate_fill", "duplicate_frame", "late_fill", "late_events",
    "lost_frames", "silent_close", "fill_against_cancel", "fade", "rejection", "late_rejection",
    "never_arrives", "late_arrival", "send_failed", "order_overflow", "query_overflow", "query_unanswered",
    "slow_query", "disconnect", "duplicate_connect", "nightly_cut", "frozen_feed", "silent_registration",
    "refusal_shows_rest", "cancel_reject", "other_account", "blank_row", "blank_output", "blank_vi",
    "blank_screen", "blank_venue", "part_fill",
    "vi", "halt", "delisting", "hand_order", "hand_twin", "session_close_mid_pair",
    "crash_before_commit", "crash_after_commit", "crash_before_send", "crash_within_send", "pause",
    "second_instance", "stall", "bus_down", "bus_forgets", "bus_reorders", "bus_loses_reply",
    "bus_repeats", "clock_jump", "operator",
)  # fmt: skip
"""What days count, each by how often it struck. `order_overflow` is -308, `query_overflow` -200."""


CALM = DayFaults(ServiceFaults(), FaultOptions())
"""A day without faults but mild delays."""
