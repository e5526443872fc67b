"""Prometheus, Alertmanager and their tools for tests: installed ones, else Debian's packages unpacked.

Unpacking needs no rights and starts nothing: `apt-get download` into `build/monitoring`, `dpkg-deb -x`.
`python -m tests.support.monitoring_tools` fetches them beforehand, as CI does, and says what is missing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / "build" / "monitoring"
PACKAGE_OF: Final[Mapping[str, str]] = MappingProxyType({
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
})  # fmt: skip
FETCH_TIMEOUT_S: Final = 300

# Debian's Alertmanager reads its default template from this folder, whatever is configured. An unpacked one
# reads it from the folder it is started in, which is another spelling of the same length.
INSTALLED_TEMPLATES: Final = b"/usr/share/prometheus/alertmanager"
TEMPLATES_HERE: Final = b"./" * (len(INSTALLED_TEMPLATES) // 2)
DEFAULT_TEMPLATES: Final = Path("usr/share/prometheus/alertmanager")


class Unavailable(RuntimeError):
    """A tool that is neither installed nor can be fetched; says why."""


@cache
def tool(name: str) -> Path:
    """Return the path of one of `PACKAGE_OF`.

    Raises:
        Unavailable: it is not installed, and Debian's package cannot be had.
    """
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    cached = CACHE / PACKAGE_OF[name] / "usr" / "bin" / name
    if not cached.is_file():
        _fetch(PACKAGE_OF[name])
    return cached


def default_templates() -> list[Path]:
    """Return the templates that an unpacked Alertmanager wants beside it; none where one is installed."""
    folder = CACHE / PACKAGE_OF["amtool"] / DEFAULT_TEMPLATES
    return sorted(folder.glob("*.tmpl")) if tool("prometheus-alertmanager").is_relative_to(CACHE) else []


def or_skip(name: str) -> Path:
    """Return a tool; where there is none the test is skipped, and the reason says what to install."""
    try:
        return tool(name)
    except Unavailable as error:
        pytest.skip(f"NOT CHECKED without {name}: {error}")


def _fetch(package: str) -> None:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is missing (no Debian); install {package} yourself")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        _download(package, folder)
        archive = next(folder.glob("*.deb"), None)
        if archive is None:
            raise Unavailable(f"apt-get download {package} brought no package")
        _run(["dpkg-deb", "-x", str(archive), str(folder / "files")], folder)
        alertmanager = folder / "files" / "usr" / "bin" / "prometheus-alertmanager"
        if alertmanager.is_file():
            read = alertmanager.read_bytes()
            alertmanager.write_bytes(read.replace(INSTALLED_TEMPLATES, TEMPLATES_HERE))
        _keep(folder / "files", CACHE / package)


def _download(package: str, folder: Path) -> None:
    """Fetch a package; root refreshes lists that are too old or not there, and tries once more."""
    download = ["apt-get", "-qq", "download", package]
    try:
        _run(download, folder)
    except Unavailable:
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            raise
        _run(["apt-get", "-qq", "update"], folder)
        _run(download, folder)


def _keep(files: Path, place: Path) -> None:
    """Put unpacked files where they stay; another run may have been faster."""
    try:
        files.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{' '.join(command)}: {error.stderr.strip() or error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{' '.join(command)}: {error}") from None


def main(say: Callable[[str], object] = lambda text: sys.stdout.write(f"{text}\n")) -> int:
    """Fetch every tool; returns 1 where one cannot be had."""
    missing = 0
    for name in PACKAGE_OF:
        try:
            say(f"{name}: {tool(name)}")
        except Unavailable as error:
            say(f"note: {name} cannot be had, so what needs it is skipped: {error}")
            missing = 1
    return missing


if __name__ == "__main__":
    raise SystemExit(main())
