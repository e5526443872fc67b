"""A machine without the broker's control: said in words, with what to do."""

import sys

import pytest

from services.gateway.adapters.qax import NoControl, create_control


@pytest.mark.skipif(sys.platform == "win32", reason="PyQt5 has QAxContainer there")
def test_no_control_is_told_with_how_to_get_one() -> None:
    with pytest.raises(NoControl, match=r"services\.simulator\.host"):
        create_control()
