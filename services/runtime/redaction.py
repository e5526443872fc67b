"""What may be shown of an address, and of a text that holds addresses: everything but what is secret. Pure.

A secret may stand before the host (also percent-encoded, also with characters that belong percent-encoded),
in the query under any spelling of its name, once for each server of a list, and where a person forgot the
host. So nothing is looked for by its name: what is not known to be harmless is masked.
"""

import re
from typing import Final
from urllib.parse import urlsplit

MASK: Final = "***"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NAMED: Final = re.compile(r"(?i)\b((?:[a-z_]*(?:password|passwd|secret)|pwd|token)\s*=\s*)[^\s&;,)]+")
_HARMLESS: Final = re.compile(
    r"(?i)(db|protocol|timeout|socket_\w+|health_check_interval|max_connections|retry_on_timeout|ssl_c\w+)"
    r"=(\d{1,6}(\.\d{1,3})?|none|optional|required|true|false|yes|no)?"
)
"""An option of an address that is shown: a known name with a number, or with a word that is no secret."""
_PLAIN_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(:\d{1,5})?")
_WEBHOOK_HOSTS: Final = re.compile(r"(^|\.)slack(-gov)?\.com$")


def redacted(text: str) -> str:
    """Return a text with the secrets of every address in it masked.

    >>> redacted("Redis at redis://:pw@host:6379/0 does not answer")
    'Redis at redis://***@host:6379/0 does not answer'
    """
    return _NAMED.sub(rf"\1{MASK}", _ADDRESS.sub(lambda found: shown_address(found[0]), text))


def shown_address(url: str) -> str:
    """Return what may be shown of one address.

    >>> shown_address("unix:///run/redis.sock?password=pw&db=1")
    'unix:///run/redis.sock?***&db=1'
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return MASK if "@" in url or "=" in url else url
    _, at, place = rest.rpartition("@")
    before = f"{scheme}://{MASK}@" if at else f"{scheme}://"
    place, question, query = place.partition("?")
    place = place.partition("#")[0]
    if scheme.lower() in ("http", "https"):
        return before + _web(place)
    shown = before + _with_ports(place)
    return f"{shown}?{_options(query)}" if question else shown


def _web(place: str) -> str:
    """Return a page's place; the path of a webhook is its secret."""
    host, slash, path = place.partition("/")
    name = (urlsplit(f"//{host}").hostname or "") if "[" not in host else ""
    return f"{host}/{MASK}" if slash and path and _WEBHOOK_HOSTS.search(name) else place


def _with_ports(place: str) -> str:
    """Return hosts and path; what stands where a port belongs and is none may be a password."""
    hosts, slash, path = place.partition("/")
    return ",".join(map(_host, hosts.split(","))) + slash + path


def _host(host: str) -> str:
    if _PLAIN_HOST.fullmatch(host):
        return host
    name, colon, _ = host.partition(":")
    return f"{name}:{MASK}" if colon and _PLAIN_HOST.fullmatch(name) else MASK


def _options(query: str) -> str:
    options = re.split("[&;]", query.partition("#")[0])
    return "&".join(option if _HARMLESS.fullmatch(option) else MASK for option in options)
