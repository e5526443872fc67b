"""What the supervisor posts to Slack by itself is text: it calls nobody and links nowhere."""

import fakeredis

from services.contracts.alert_codes import AlertCode
from services.contracts.alert_text import raised
from services.contracts.streams import ALERTS
from services.contracts.terms import Severity
from services.gateway.supervisor.reporter import Reporter
from services.runtime.bus import BusUnavailable
from services.runtime.redis_bus import RedisBus
from services.runtime.slack import Delivered, Outcome
from services.runtime.slack_blocks import Payload

WILD = "<!channel> & <https://evil.example|login>"


def no_bus() -> RedisBus:
    raise BusUnavailable("away")


def test_markup_in_an_alert_is_escaped_in_the_fallback_text_and_in_the_blocks() -> None:
    posted: list[Payload] = []

    def post(payload: Payload) -> Outcome:
        posted.append(payload)
        return Delivered()

    reporter = Reporter(no_bus, post, redis_away_s=0, repeat_s=60, host="gw")
    reporter.tell(raised(AlertCode.TICK_FAILING, "t", Severity.CRITICAL, {"service": WILD, "problem": WILD}))
    reporter._to_slack()
    (payload,) = posted
    assert "<" not in payload.text and "&lt;!channel&gt; &amp; " in payload.text
    others = [block for block in payload.blocks if block["type"] != "header"]
    assert "<" not in repr(others)


def test_where_redis_takes_no_alerts_the_supervisor_tells_slack_itself_and_says_so() -> None:
    client, posted = fakeredis.FakeRedis(), list[Payload]()

    def post(payload: Payload) -> Outcome:
        posted.append(payload)
        return Delivered()

    reporter = Reporter(lambda: RedisBus(client), post, redis_away_s=60, repeat_s=60, host="gw")
    client.set(ALERTS.key, "of another type")
    reporter.tell(raised(AlertCode.TICK_FAILING, "t", Severity.CRITICAL, {"service": "x", "problem": "y"}))
    for _ in range(2):
        reporter._to_redis()
        reporter._to_slack()
    assert len(posted) == 2 and any(ALERTS.key in payload.text for payload in posted)
    client.delete(ALERTS.key)
    reporter._to_redis()
    reporter._to_redis()
    assert client.xlen(ALERTS.key) == 3, "all of it, and that it is over, for the journal"
    reporter._to_slack()
    assert len(posted) == 2
