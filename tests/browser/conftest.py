"""One served desk and one browser for all tests here; a fresh page for each, which fails its test for any error on its console."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from orchestrator.store.database import Store
from tests.browser.desk import ARGS, CHROMIUM, Desk, Serving, register
from tests.e2e.conftest import _own_settings, world
from tests.e2e.place import Place
from tests.requirements import need

PATIENCE_MS = 20_000  # with what a page has to show: machines are slow, and nothing here is a race
__all__ = ["_own_settings", "world"]  # fixtures: pytest finds them here


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Not for the session: while it is open, its library keeps a loop running in this thread, and tests of
    other folders, which bring their own, may come next in the same process."""
    need("Chromium", CHROMIUM.exists())
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def served(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, StorageState]]:
    """A desk without a worker, and a browser's state of who is signed in to it."""
    place = Place(tmp_path_factory.mktemp("desk") / "home", world)
    store = Store.open(place.settings.store_url)
    register(store)
    serving = Serving(place.home, with_worker=False)
    try:
        yield Desk(place=place, store=store, url=serving.url), signed_in(serving)
    finally:
        serving.stop()
        store.close()
        place.close()


def signed_in(serving: Serving) -> StorageState:
    """What a browser keeps after the one-time link was opened."""
    with requests.Session() as session:
        session.get(serving.link, timeout=20).raise_for_status()
        return {
            "cookies": [
                {
                    "name": one.name,
                    "value": one.value or "",
                    "domain": one.domain,
                    "path": one.path,
                    "expires": -1,
                    "httpOnly": True,
                    "secure": False,
                    "sameSite": "Strict",
                }
                for one in session.cookies
            ],
            "origins": [],
        }


@pytest.fixture
def desk(served: tuple[Desk, StorageState]) -> Desk:
    """The served desk with nothing open on it."""
    served[0].clear()
    return served[0]


class Watched:
    """Pages whose console is listened to. `expected`: parts of messages that a test brings about itself."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.expected: list[str] = []
        self.errors: list[str] = []

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        return page

    def unexpected(self) -> list[str]:
        return [one for one in self.errors if not any(part in one for part in self.expected)]


@pytest.fixture
def watched(browser: Browser, served: tuple[Desk, StorageState]) -> Iterator[Watched]:
    """A signed-in browser window, wide, in Lisbon."""
    context = browser.new_context(
        base_url=served[0].url,
        storage_state=served[1],
        viewport={"width": 1280, "height": 800},
        timezone_id="Europe/Lisbon",
        reduced_motion="reduce",
    )
    found = Watched(context)
    yield found
    context.close()
    assert found.unexpected() == []


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.new_page()
