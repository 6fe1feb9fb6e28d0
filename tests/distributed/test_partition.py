"""Two hosts that a network joins, one of which is cut off while it works. On demand: DEPUTY_TEST_NAMESPACES=1, as root on Linux.

Each host is a network namespace with a desk and its worker; the database listens on the bridge between them. The office is one file
on the disk they share, so a worker that is cut off from the database could still change it: nothing but the fences keeps it from that.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.distributed.test_two_desks import House, until
from tests.requirements import need

BRIDGE, NET = "dptbr", "10.77.41"
ITEMS = 40
CUT_S = 12.0

pytestmark = pytest.mark.skipif(
    os.environ.get("DEPUTY_TEST_NAMESPACES") != "1", reason="on demand: DEPUTY_TEST_NAMESPACES=1, as root on Linux"
)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """Names of two namespaces at .2 and .3; this one is .1."""
    names = ["dpt-one", "dpt-two"]
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for number, name in enumerate(names, 2):
        ip("netns", "add", name)
        ip("link", "add", f"dptv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"dptv{number}", "master", BRIDGE, "up")
        ip("-n", name, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
    yield names
    for name in names:
        ip("netns", "del", name)
    ip("link", "del", BRIDGE)


def test_a_host_that_is_cut_off_and_comes_back_doubles_nothing(network: list[str], tmp_path: Path) -> None:
    need("PostgreSQL", postgres.available())
    cluster = postgres.Cluster(f"{NET}.1")
    url = cluster.url_at_address(cluster.create())
    hosts = [(f"{NET}.{number}", ["ip", "netns", "exec", name]) for number, name in enumerate(network, 2)]
    house = House(tmp_path, url, hosts=hosts)
    try:
        wishes = [
            {"request": f"hold hour number {n}", "workflow": "hold-time", "input": {"number": n}, "key": f"h{n}"}
            for n in range(ITEMS)
        ]
        status, told = house.ask("POST", "/items", wishes)
        assert status == 202, told
        house.approve_all()
        ip("link", "set", "dptv2", "down")
        cut = time.monotonic()
        cut_off, house.desks = house.desks[0], house.desks[1:]
        until(lambda: time.monotonic() - cut > CUT_S, house.approve_all)
        ip("link", "set", "dptv2", "up")
        until(lambda: all(one["state"] == "done" for one in house.items()), house.approve_all)
        house.desks = [cut_off, *house.desks]
        assert house.held() == Counter(f"Hold {number}" for number in range(ITEMS))
        cut_off.wait()
        assert cut_off.ask("GET", "/items?limit=1", house.token)[0] == 200
    finally:
        house.close()
        cluster.stop()
