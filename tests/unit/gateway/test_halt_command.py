"""The command that stops by a double click on Windows: where it lays the file, and that cmd can read it."""

from pathlib import Path

from services.gateway.settings import GatewaySettings
from services.runtime.settings import load_settings

COMMAND = Path(__file__).parents[3] / "deploy" / "windows" / "halt.cmd"


def test_it_lays_what_the_gateway_looks_for() -> None:
    text = COMMAND.read_text(encoding="ascii")
    assert load_settings(GatewaySettings).halt_file == Path("var/HALT")
    assert 'set "halt=var\\HALT"' in text and "halt_file" in text and "ARB_GATEWAY_HALT_FILE" in text


def test_every_line_ends_as_cmd_needs_it() -> None:
    """With bare line feeds cmd misses labels."""
    raw = COMMAND.read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") > 10 and raw.isascii()
