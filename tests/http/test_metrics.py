"""`/metrics` over HTTP: a key with the scope `read`, by whatever address it is asked; open only where a setting says so."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.place import CALL, Place
from tests.http.auth.callers import HERE, bearer, browser, key_of, serving

POD = "http://10.1.2.3:8787"  # as a scraper asks: no name that the desk has


def test_metrics_need_a_key(place: Place) -> None:
    """Nobody: 401, one without the scope: 403, with it: the house's numbers as Prometheus reads them."""
    place.ask(CALL)
    reads, submits = key_of(place, ["read"], name="monitoring"), key_of(place, ["submit"], name="other")

    with browser(place) as client:
        nobody, other = client.get("/metrics"), client.get("/metrics", headers=bearer(submits))
        answer = client.get("/metrics", headers=bearer(reads))

    assert (nobody.status_code, other.status_code, answer.status_code) == (401, 403, 200)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert families["deputy_approvals_pending"].samples[0].value == 2
    assert place.me.principal_id not in answer.text


def test_a_scraper_asks_by_address(place: Place) -> None:
    """Any Host header will do for /metrics, and for nothing else; the key is wanted all the same."""
    place.set(public_url="https://deputy.example")
    key = key_of(place, ["read"], name="monitoring")

    with serving(place.desk, place.settings, host="0.0.0.0", base=POD, peer="10.9.9.9") as client:
        assert client.get("/metrics", headers=bearer(key)).status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/api/v1/items", headers=bearer(key)).status_code != 200


def test_metrics_may_be_open(place: Place) -> None:
    """By the setting, and only then, without a key."""
    place.set(metrics_open=True)

    with serving(place.desk, place.settings, base=HERE) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/api/v1/items").status_code == 401
