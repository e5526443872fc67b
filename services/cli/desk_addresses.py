"""Where a halt goes: each Redis that a person, a file or a process of this machine names, read leniently.

Settings are refused whole where one key is wrong. A halt needs an address and nothing more, so each source is
searched for the address alone, in whatever state and encoding the rest of it is. Nothing here raises.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables
from redis.connection import parse_url

from services.cli.processes import ADDRESS_VARIABLE, redis_of
from services.cli.stack_file import STACK_FILE
from services.runtime.settings import CONFIG_DIR_VARIABLE, RuntimeSettings

DEFAULT: Final[str] = RuntimeSettings.model_fields["redis_url"].default
_READ_BYTES: Final = 1_000_000
_ENCODINGS: Final = ("utf-8-sig", "cp949")
_IN_STACK: Final = re.compile(r'"redis_url"\s*:\s*("(?:[^"\\\n]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Named:
    """One address and who names it. One that is `assumed` is the shipped one, which nobody chose."""

    url: str
    sources: tuple[str, ...]
    assumed: bool = False


def addresses(given: str, run: Path, environ: Mapping[str, str], folder: Path = Path()) -> list[Named]:
    """Return every address that a command in `folder` could mean, the usual choice first.

    One that a person gave stands alone. Two spellings of one place are one address.
    """
    found = [("--redis", given)] if given else list(_sources(run, environ, folder))
    places: dict[object, Named] = {}
    for source, url in found:
        place = place_of(url)
        if place is None:
            continue
        before = places.get(place)
        sources = (*(() if before is None else before.sources), source)
        assumed = url == DEFAULT and source.endswith(".toml") and (before is None or before.assumed)
        places[place] = Named(url if before is None else before.url, sources, assumed)
    return list(places.values()) or [Named(DEFAULT, ("the usual address",), assumed=True)]


def place_of(url: str) -> tuple[str, int, str] | None:
    """Return the server and database that an address means, without who asks; None where it is none."""
    try:
        parts = urlsplit(url)
        options = parse_url(url)  # type: ignore[no-untyped-call]
        database = str(options.get("db", 0))
        if parts.scheme == "unix":
            return parts.path, 0, database
        host = (parts.hostname or "localhost").lower()
        return ("127.0.0.1" if host == "localhost" else host), parts.port or 6379, database
    except ValueError:
        return None


def setting_of(name: str, environ: Mapping[str, str], folder: Path) -> str:
    """Return what a process in `folder` with this environment would find for `ARB_SECTION_KEY`, by the line
    that names it alone; empty where none does."""
    return next((value for _, value in settings_of(name, environ, folder)), "")


def settings_of(name: str, environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each source of a setting with its value, the one that wins first; a variable's case is any."""
    variables = {key.upper(): value for key, value in environ.items()}
    if variables.get(name):
        yield name, variables[name]
    if value := _in_dotenv(name, environ, text_of(folder / ".env")):
        yield ".env", value
    section, key = name.lower().split("_", 2)[1:]
    path = folder / environ.get(CONFIG_DIR_VARIABLE, "config") / f"{section}.toml"
    for line in re.findall(rf"(?m)^\s*[\"']?{key}[\"']?\s*=\s*(.*?)\s*$", text_of(path)):
        if value := _unquoted(line):
            yield str(path), value


def text_of(path: Path) -> str:
    """Return a file's text in whatever encoding, empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(_READ_BYTES)
    except (OSError, ValueError):
        return ""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    for encoding in _ENCODINGS:
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("utf-8", "replace")


def _sources(run: Path, environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    settings = list(settings_of(ADDRESS_VARIABLE, environ, folder))
    yield from (found for found in settings if found[0] == ADDRESS_VARIABLE)
    for text in _IN_STACK.findall(text_of(folder / run / STACK_FILE)):
        yield str(run / STACK_FILE), _json_text(text)
    yield f"the processes of {run}", _of_processes(folder / run)
    yield from (found for found in settings if found[0] != ADDRESS_VARIABLE)


def _in_dotenv(name: str, environ: Mapping[str, str], text: str) -> str:
    """Return a setting as python-dotenv reads it, from each line alone; one that it refuses as it stands."""
    known, found = dict(environ), ""
    for line in re.split(r"\r\n|\n|\r", text):
        for binding in parse_stream(StringIO(line)):
            key, value = binding.key or "", binding.value or ""
            if binding.error:
                key, _, value = line.partition("=")
                key, value = key.strip().removeprefix("export").strip(), _unquoted(value.strip())
            known[key] = "".join(atom.resolve(known) for atom in parse_variables(value))
            found = known[key] if key.upper() == name else found
    return found


def _json_text(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        return ""


def _of_processes(run: Path) -> str:
    try:
        return redis_of(run)
    except Exception:
        # Other people's processes come and go, and forbid a look.
        return ""


def _unquoted(value: str) -> str:
    """Return the text of a value in a line: in quotes, else up to a comment."""
    for quote in ('"', "'"):
        if value.startswith(quote):
            return value[1:].partition(quote)[0]
    return re.split(r"\s+#", value)[0].strip()
