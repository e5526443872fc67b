"""No secret of an address is shown, in whatever form it was written."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.redaction import redacted, shown_address

SECRET = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=3, max_size=20).map(
    lambda text: f"Zq{text}Xv"
)
FORMS = (
    "redis://:{s}@host:6379/0",
    "redis://user:{s}@host:6379/0",
    "redis://{s}@host",
    "rediss://u:{s}@[::1]:6379",
    "redis://host:6379/0?password={q}",
    "redis://host?db=1&PASSWORD={q}&username={q}",
    "redis://host/0?pass%77ord={q}",
    "redis://host/0;password={q}?db=2&x=1;password={q}",
    "redis://host?db={q}",
    "unix://:{s}@/run/redis.sock",
    "unix:///run/redis.sock?password={q}&db=1",
    "redis+sentinel://:{s}@h1:26379,h2:26379/main/0",
    "redis+sentinel://:{s}@h1:26379,:{s}@h2:26379/main?sentinel_password={q}",
    "redis://:{s}",
    "https://hooks.slack.com/services/T0/B0/{q}",
    "https://user:{s}@grafana:3000/d/1",
)


def leaks(shown: str, secret: str) -> bool:
    return any(form in shown for form in (secret, quote(secret, safe=""), secret[:4], secret[-4:]))


@pytest.mark.parametrize("form", FORMS)
@given(secret=SECRET)
def test_no_form_of_an_address_shows_its_secret(form: str, secret: str) -> None:
    if form == "redis://:{s}":
        secret = re.sub(r"[/?#,@]", "", secret)
    for written in (secret, quote(secret, safe="")):
        url = form.format(s=written, q=quote(secret, safe=""))
        if ";password" in form:
            url = url.replace("/0;password=" + quote(secret, safe=""), "/0")
        assert not leaks(shown_address(url), secret)
        assert not leaks(redacted(f"Redis at {url} does not answer"), secret)


@pytest.mark.parametrize(
    "harmless",
    [
        "redis://127.0.0.1:6379/0",
        "rediss://redis.example:6380/1?ssl_cert_reqs=none",
        "unix:///run/arb/redis.sock?db=3",
        "redis://[::1]:6379",
        "https://docs.example.org/page?x#y".partition("?")[0],
        "/var/lib/arb",
        "host:6379",
    ],
)
def test_what_is_no_secret_is_shown(harmless: str) -> None:
    assert shown_address(harmless) == harmless
    assert redacted(f"look at {harmless}") == f"look at {harmless}"


def test_where_a_server_is_stays_legible() -> None:
    assert shown_address("redis://kim:pw@[::1]:6379/0?db=1") == "redis://***@[::1]:6379/0?db=1"
    assert shown_address("redis+sentinel://:pw@h1:1,h2:2/main") == "redis+sentinel://***@h1:1,h2:2/main"
    assert shown_address("redis://:forgotten") == "redis://:***"


def test_a_named_secret_is_masked_without_an_address() -> None:
    assert redacted("connect(host='h', password=hunter2, db=0)") == "connect(host='h', password=***, db=0)"
