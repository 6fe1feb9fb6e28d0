"""How soon Slack is acknowledged: signed commands to the real bolt app over HTTP, as fast as they come, while the work goes on.

    .venv/bin/python -m benchmarks.slack_ack [--commands 200] [--at-once 40] [--json FILE]

A home of its own with the small office in a temporary folder; Slack's Web API is the tests' own double, so that only our side is
measured. Every command is a new request of a confirmed person: written to the inbox, acknowledged, submitted, posted. The bound is
one second at the 99th percentile.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.e2e.place import Place, build_world
from tests.slack.double import Double
from tests.slack.running import Door, until
from tests.slack.workspace import Sender

BOUND_S = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=40)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deputy-bench-") as folder:
        told = measure(Path(folder), chosen.commands, chosen.at_once)
    told["machine"] = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps(told, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=2))
    return 0 if told["p99_s"] < BOUND_S and told["items"] == chosen.commands else 1


def measure(folder: Path, commands: int, at_once: int) -> dict[str, Any]:
    place = Place(folder / "home", build_world(folder / "world"))
    people = [one["address"] for one in place.desk.people() if one["inside"]]
    try:
        with Double({address: f"U{number:08d}" for number, address in enumerate(people, 1)}) as slack:
            for address in people:
                sender = f"{slack.team}/{slack.users[address]}"
                place.desk.slack.propose(sender, address, slack.direct(address))
                place.desk.slack.confirm(place.desk.principal(address), sender)
            with Door(place, slack.url, is_double=True) as door:
                clients = Sender(slack, door.address)  # type: ignore[arg-type]  # the same shape

                def one(number: int) -> float:
                    began = time.perf_counter()
                    who = people[number % len(people)]
                    answer = clients.command(who, f"what is on my calendar in {number} days", channel=slack.direct(who))
                    assert answer.status_code == 200, answer.text
                    return time.perf_counter() - began

                one(0)  # the first one pays for imports, and for asking Slack who the bot is
                began = time.perf_counter()
                with ThreadPoolExecutor(at_once) as pool:
                    took = sorted(pool.map(one, range(1, commands)))
                sent_s = time.perf_counter() - began
                until(lambda: not place.desk.slack.open_deliveries(), within_s=120)
                worked_s = time.perf_counter() - began
                until(lambda: len(slack.sent("chat.postMessage")) >= commands, within_s=120)
        items = len(place.desk.items(place.admin, limit=1000)["items"])
    finally:
        place.close()
    return {
        "commands": commands,
        "at_once": at_once,
        "p50_s": round(took[len(took) // 2], 4),
        "p99_s": round(took[min(len(took) - 1, int(len(took) * 0.99))], 4),
        "slowest_s": round(took[-1], 4),
        "sent_in_s": round(sent_s, 2),
        "worked_off_in_s": round(worked_s, 2),
        "items": items,
    }


if __name__ == "__main__":
    sys.exit(main())
