"""The inbox in Debian's Chromium over a real `deputy serve`: `python -m benchmarks.desk.run [--cards 1000 10000] [--loads 15]`.

Measured in the page itself: interactive (keys work, the first rows and the first card are there) from the start of the navigation;
a decision from its key event to the frame that shows it; a new card from the end of its commit in another process to the frame
that shows it; and the longest frame while 200 cards arrive at once. Every figure of one line comes from one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from orchestrator.settings import Settings
from orchestrator.store.database import Store
from tests.browser.desk import ARGS, CHROMIUM, Desk, Serving, register
from tests.e2e.place import Place, build_world

BATCH = 200
DECISIONS = 40
ARRIVALS = 30
REAL = 100  # cards parked as a worker parks them; those that are decided
RECORDER = """
window.painted = [];
const after = (act) => requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = act; c.port2.postMessage(0); });
addEventListener('keydown', (event) => {
  if (event.key === 'a') after(() => window.painted.push(performance.now() - event.timeStamp));
}, true);
"""
ARRIVED = """(wanted) => new Promise((resolve) => {
  const told = document.querySelector('#total');
  const look = () => { if (Number(told.textContent) >= wanted) requestAnimationFrame(() => resolve(Date.now())); else return false; return true; };
  if (!look()) new MutationObserver((_, watch) => look() && watch.disconnect()).observe(told, {childList: true, characterData: true, subtree: true});
})"""
FRAMES = """() => { window.frames_ms = []; let last = performance.now(); window.counting = true;
  const step = (now) => { window.frames_ms.push(now - last); last = now; if (window.counting) requestAnimationFrame(step); }; requestAnimationFrame(step); }"""


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def interactive(page: Page, url: str, loads: int) -> dict[str, Any]:
    """Milliseconds from the start of the navigation."""
    found: dict[str, list[float]] = {"interactive": [], "full": [], "bytes": []}
    for _ in range(loads):
        page.goto(url)
        page.wait_for_function("() => performance.getEntriesByName('interactive').length")
        found["interactive"].append(page.evaluate("performance.getEntriesByName('interactive')[0].startTime"))
        page.wait_for_function("() => performance.getEntriesByName('full').length", timeout=60_000)
        found["full"].append(page.evaluate("performance.getEntriesByName('full')[0].startTime"))
        found["bytes"].append(
            page.evaluate(
                "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).reduce((sum, one) => sum + one.transferSize, 0)"
            )
        )
    return {
        "interactive_p50_ms": round(statistics.median(found["interactive"])),
        "interactive_p95_ms": round(percentile(found["interactive"], 0.95)),
        "all_rows_p50_ms": round(statistics.median(found["full"])),
        "transferred_kb": round(statistics.median(found["bytes"]) / 1024),
        "dom_nodes": page.evaluate("document.querySelectorAll('*').length"),
    }


def decisions(page: Page) -> dict[str, Any]:
    """Key to frame, card after card."""
    page.evaluate(RECORDER)
    page.locator("#list").focus()
    for _ in range(DECISIONS):
        with page.expect_response(lambda answer: answer.url.endswith("/decide")):
            page.keyboard.press("a")
        page.keyboard.press("j")
        page.wait_for_function("() => document.querySelector('#approve')")
    painted = page.evaluate("window.painted")
    return {
        "decided_p50_ms": round(statistics.median(painted), 1),
        "decided_p95_ms": round(percentile(painted, 0.95), 1),
        "decisions": len(painted),
    }


def arrivals(page: Page, desk: Desk) -> dict[str, Any]:
    """Commit to frame, for cards that come one by one; then the longest frame while many come at once."""
    took: list[float] = []
    for _ in range(ARRIVALS):
        have = int(page.locator("#total").inner_text())
        page.evaluate(f"window.arrival = ({ARRIVED})({have + 1}); null")
        desk.park()
        committed = time.time() * 1000
        took.append(page.evaluate("window.arrival") - committed)
    page.evaluate(FRAMES)
    have = int(page.locator("#total").inner_text())
    page.evaluate(f"window.arrival = ({ARRIVED})({have + BATCH}); null")
    park_many(desk, BATCH)
    page.evaluate("window.arrival")
    frames = page.evaluate("(() => { window.counting = false; return window.frames_ms; })()")
    return {
        "arrived_p50_ms": round(statistics.median(took)),
        "arrived_p95_ms": round(percentile(took, 0.95)),
        f"longest_frame_of_{BATCH}_at_once_ms": round(max(frames)),
    }


def park_many(desk: Desk, many: int) -> None:
    from tests.browser.desk import park_one

    owner = desk.place.me.principal_id
    for start in range(0, many, BATCH):
        with desk.store.tx() as tx:
            for number in range(start, min(many, start + BATCH)):
                park_one(tx, f"Call number {number}", owner, "dana.ruiz@brightwater.example", "")


def clone(desk: Desk, many: int) -> None:
    """Fills the list up behind the cards that were parked one by one: rows like theirs, made by the database itself."""
    keys = {
        "worklist": ["item_id", "root_id"],
        "effects": ["effect_id", "item_id"],
        "approvals": ["approval_id", "effect_id", "item_id"],
    }
    with desk.store.tx() as tx:
        (item_id,) = tx.c.exec_driver_sql(
            "select item_id from approvals where state = 'pending' order by created_at desc limit 1"
        ).one()
        for table, own in keys.items():
            names = [row[1] for row in tx.c.exec_driver_sql(f"pragma table_info({table})")]
            values = [
                f"{name} || '_' || n" if name in own else f"{name} + n" if name == "created_at" else name
                for name in names
            ]
            tx.c.exec_driver_sql(
                f"with recursive count(n) as (select 1 union all select n + 1 from count where n < {many})"
                f" insert into {table} ({', '.join(names)}) select {', '.join(values)} from {table}, count where item_id = '{item_id}'"
            )


def measure(page: Page, desk: Desk, cards: int, loads: int) -> dict[str, Any]:
    told: dict[str, Any] = {"cards": cards}
    told |= interactive(page, desk.url, loads)
    told |= decisions(page)
    told |= arrivals(page, desk)
    return told | {"load_average": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--loads", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        world = build_world(Path(folder) / "world")
        place = Place(Path(folder) / "home", world)
        settings: Settings = place.settings
        store = Store.open(settings.store_url)
        register(store)
        with Serving(place.home, with_worker=False) as serving:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
            page = browser.new_context(base_url=serving.url, viewport={"width": 1280, "height": 800}).new_page()
            page.goto(serving.link)
            desk = Desk(place=place, store=store, url=serving.url)
            have = 0
            for cards in options.cards:
                park_many(desk, REAL)
                clone(desk, cards - have - REAL)
                have = cards + ARRIVALS + BATCH - DECISIONS
                print(json.dumps(measure(page, desk, cards, options.loads)), flush=True)
            browser.close()
        store.close()
        place.close()


if __name__ == "__main__":
    main()
