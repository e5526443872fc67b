"""A supervisor that died is noticed by whoever scrapes the gateway."""

import os
from pathlib import Path

from services.gateway.watched import LOOK_FILE, look, look_age_s


def test_the_age_of_the_last_look_grows_until_somebody_looks_again(tmp_path: Path) -> None:
    assert look_age_s(tmp_path, 1_000.0) is None, "no supervisor ever ran here"
    look(tmp_path)
    os.utime(tmp_path / LOOK_FILE, (900, 900))
    assert look_age_s(tmp_path, 1_000.0) == 100.0
    look(tmp_path)
    looked_s = (tmp_path / LOOK_FILE).stat().st_mtime
    assert looked_s > 900 and look_age_s(tmp_path, looked_s + 2) == 2.0
    assert look_age_s(tmp_path, looked_s - 5) == 0.0, "a wall clock that was set back"


def test_a_disk_that_refuses_stops_nobody(tmp_path: Path) -> None:
    look(tmp_path / "absent")
    assert look_age_s(tmp_path / "absent", 0.0) is None
