"""The pulse record: whole or nothing, and what a gateway says of itself with it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.limits import NS_PER_S
from services.contracts.terms import Venue
from services.gateway.app import _pulse
from services.gateway.pulse import (
    PULSE_FILE,
    RECORD_BYTES,
    STOP_FILE,
    Pulse,
    PulseFile,
    Vitals,
    decode,
    encode,
    read_pulse,
    vitals_of,
)
from services.gateway.settings import GatewaySettings
from services.runtime.settings import SettingsError

from .desk import Desk

PULSES = st.builds(
    Pulse,
    st.integers(1, 4_000_000),
    st.integers(0, 10**12),
    st.builds(
        Vitals,
        st.sampled_from(["ready", "connecting", "waiting_for_redis"]),
        st.booleans(),
        st.booleans(),
        st.integers(0, 50),
        st.integers(0, 50),
        st.dictionaries(st.sampled_from(["book:KRX", "book:NXT", "trade:KRX", "trade:NXT"]), st.integers(-1)),
    ),
)


@given(PULSES)
def test_a_record_reads_back_and_has_one_length(pulse: Pulse) -> None:
    record = encode(pulse)
    assert len(record) == RECORD_BYTES
    assert decode(record) == pulse


@given(PULSES, PULSES, st.integers(0, RECORD_BYTES))
def test_a_torn_record_is_never_a_third_one(old: Pulse, new: Pulse, at: int) -> None:
    seen = decode(encode(new)[:at] + encode(old)[at:])
    assert seen in (None, old, new) or (seen is not None and old.number == new.number)


@given(st.binary(max_size=200))
def test_anything_else_is_no_pulse(record: bytes) -> None:
    assert decode(record) is None


def test_beats_are_counted_and_read(tmp_path: Path) -> None:
    assert read_pulse(tmp_path) is None
    file = PulseFile(tmp_path)
    file.beat(Vitals("connecting", quiet_ms={"book:KRX": 12}))
    file.beat(Vitals("ready"))
    assert read_pulse(tmp_path) == Pulse(os.getpid(), 2, Vitals("ready"))
    assert (tmp_path / PULSE_FILE).stat().st_size == RECORD_BYTES


def test_a_request_to_stop_names_its_process(tmp_path: Path) -> None:
    file = PulseFile(tmp_path)
    assert not file.told_to_stop
    (tmp_path / STOP_FILE).write_text(str(os.getpid() + 1))
    assert not file.told_to_stop
    (tmp_path / STOP_FILE).write_text(f"{os.getpid()}\n")
    assert file.told_to_stop


def test_a_ready_gateway_says_how_long_each_venue_has_been_silent(desk: Desk) -> None:
    from services.gateway.book_feed import BookFeed

    feed = BookFeed(1)
    feed.last_ns[Venue.KRX] = desk.now_ns - 2 * NS_PER_S
    vitals = vitals_of(desk.state, feed, desk.now_ns)
    assert vitals.ready and vitals.stage == "ready"
    assert vitals.quiet_ms == {"book:KRX": 2_000, "book:NXT": -1}


@pytest.mark.parametrize("setting", ["state_dir", "halt_file"])
def test_a_folder_that_cannot_be_made_is_named_with_its_setting(setting: str, tmp_path: Path) -> None:
    """Without the one no order is logged, without the other no emergency stop could be laid."""
    (tmp_path / "taken").touch()
    folders = {"state_dir": tmp_path / "state", "halt_file": tmp_path / "var" / "HALT"}
    folders[setting] = tmp_path / "taken" / "below"
    with pytest.raises(SettingsError, match=rf"{setting}: .*ARB_GATEWAY_{setting.upper()}"):
        _pulse(GatewaySettings.model_construct(**folders))


def test_the_folder_of_the_emergency_stop_is_there_once_the_gateway_runs(tmp_path: Path) -> None:
    halt_file = tmp_path / "var" / "HALT"
    _pulse(GatewaySettings.model_construct(state_dir=tmp_path / "state", halt_file=halt_file)).close()
    halt_file.touch()
