"""Sockets of folders whose names are long, in letters of several bytes."""

import os
from pathlib import Path

import pytest

from services.runtime import sockets
from services.runtime.sockets import LONGEST_PATH_BYTES, socket_path


def test_a_short_folder_holds_its_sockets_itself(tmp_path: Path) -> None:
    assert socket_path(tmp_path, "redis.sock") == tmp_path.resolve() / "redis.sock"


def test_a_long_folder_has_its_sockets_in_a_private_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets.tempfile, "tempdir", "/tmp")
    one, other = (
        Path("/srv/자료") / f"거래소간-차익거래-시스템의-작업-폴더-{n}" / "실행-자료-보관-폴더" for n in "12"
    )
    found = socket_path(one, "redis.sock")
    assert len(str(one / "redis.sock")) < LONGEST_PATH_BYTES < len(os.fsencode(one / "redis.sock"))
    assert len(os.fsencode(found)) <= LONGEST_PATH_BYTES and found.name == "redis.sock"
    assert found == socket_path(one, "redis.sock") != socket_path(other, "redis.sock")
    assert found.parent.stat().st_mode & 0o077 == 0
