"""Whether a running gateway is well, as far as its pulse and its process say."""

from dataclasses import dataclass
from typing import Final

from services.contracts.limits import NS_PER_MS, NS_PER_S
from services.gateway.pulse import WAITING
from services.gateway.supervisor.looks import Look
from services.gateway.supervisor.screens import waiting_for_person
from services.gateway.supervisor.state import SupervisorState

PERSON_S: Final = 300
"""A window that waits for a person may block the Qt thread for so long; then the restart comes first."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a gateway is to be started anew. `can_wait`: nothing was wrong enough to be told."""

    why: str
    can_wait: bool = False


def hung(state: SupervisorState, look: Look) -> str:
    """Say since when the Qt thread is silent, empty where it is not."""
    silent_s = (look.mono_ns - state.pulse_ns) // NS_PER_S
    if silent_s < _patience_s(state):
        return ""
    if waiting_for_person(state) and silent_s < PERSON_S:
        return ""
    return f"its Qt thread has not turned for {silent_s} s"


def _patience_s(state: SupervisorState) -> int:
    settings, vitals = state.settings, state.vitals
    if vitals is None:
        return settings.first_pulse_s
    return settings.hang_s if vitals.ready else settings.hang_connecting_s


def complaint(state: SupervisorState, look: Look) -> Complaint | None:
    """Return the first reason for a restart of a gateway whose Qt thread turns, None where it is well."""
    settings, vitals = state.settings, state.vitals
    if look.memory_mb >= settings.memory_hard_mb:
        return Complaint(f"it uses {look.memory_mb} MB of memory")
    if vitals is None:
        return None
    if vitals.ready and (feed := silent_feed(state, look)):
        return Complaint(feed)
    unready_s = (look.mono_ns - state.unready_ns) // NS_PER_S
    if unready_s >= settings.ready_s and vitals.stage not in WAITING and not waiting_for_person(state):
        return Complaint(f"it has not been ready for {unready_s} s, but {vitals.stage}")
    at_ease = vitals.working == 0 and vitals.owing == 0
    if look.memory_mb >= settings.memory_soft_mb and vitals.ready and at_ease:
        return Complaint(f"it uses {look.memory_mb} MB of memory, and nothing is open", can_wait=True)
    return None


def silent_feed(state: SupervisorState, look: Look) -> str:
    """Name a type of a venue that trades and has been silent for too long, although connected.

    Counted from when the venue began to trade or the feed was registered, so that an open after a pause
    is not taken for silence.
    """
    if state.vitals is None:
        return ""
    for name, age_ms in state.vitals.quiet_ms.items():
        kind, _, venue = name.partition(":")
        limit_ms = state.settings.stale_s.get(kind, 0) * 1_000
        spoken_ms = (look.mono_ns - state.quiet_since.get(name, look.mono_ns)) // NS_PER_MS
        silent_ms = spoken_ms if age_ms < 0 else min(age_ms, spoken_ms)
        if limit_ms and silent_ms >= limit_ms:
            return f"no {kind} of {venue} came for {silent_ms // 1_000} s, although connected"
    return ""
