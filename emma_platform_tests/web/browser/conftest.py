"""One server and one browser for all journeys; what they look at is kept as pictures in `.screenshots`.

The README's picture of the page, `docs/page.png`, is `product_light.png` of these.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from emma_platform_tests.web.chain_home import own_home
from emma_platform_tests.web.people import PASSWORD, People, cheap, people

CHROMIUM = os.environ.get("EMMA_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
PICTURES = Path(__file__).parents[3] / ".screenshots"
PATIENCE_MS = 30_000
"""How long a busy machine may take; on an idle one everything is there within a fraction of a second."""

REFUSED = "422"
"""What the browser says of a form that was sent back with the reason."""

FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True)
class Site:
    """Where the application answers, the home it shows, and who may look."""

    address: str
    home: Path
    company: People


@pytest.fixture(scope="session")
def site(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The application on a free port, with everybody of `people`."""
    home = own_home(shared_home, tmp_path_factory.mktemp("browser"))
    known = people(cheap(home), stores=("S002",))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # who comes before it is ready waits
        server = uvicorn.Server(uvicorn.Config(known.app, log_level="error"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        serving.start()
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", home, known)
        server.should_exit = True
        serving.join()
    known.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. Playwright keeps an event loop running in this thread, so it goes before other tests come."""
    if not Path(CHROMIUM).exists():
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"there is no Chromium at {CHROMIUM}: `apt-get install -y chromium`, or set EMMA_CHROMIUM to another one")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(site: Site, chromium: Browser) -> dict[str, object]:
    """What a browser keeps after Olga, the owner, has signed in."""
    context = chromium.new_context(base_url=site.address)
    page = context.new_page()
    sign_in(page, "olga")
    kept = context.storage_state()
    context.close()
    return dict(kept)


Open = Callable[..., Page]


@pytest.fixture
def open_page(site: Site, chromium: Browser, signed_in: dict[str, object]) -> Iterator[Open]:
    """Opens an address in a new window where Olga is signed in; a window that complains or calls elsewhere fails."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(address: str = "/", *, width: int = 1440, height: int = 900, **options: object) -> Page:
        context = chromium.new_context(
            **{"base_url": site.address, "storage_state": signed_in, "reduced_motion": "reduce"} | options,
            viewport={"width": width, "height": height},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" and REFUSED not in said.text else None,
        )
        page.on("request", lambda asked: None if asked.url.startswith(site.address) else complaints.append(asked.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def sign_in(page: Page, name: str) -> None:
    """Sign in on the page that asks for it."""
    page.goto("/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/")


@pytest.fixture(scope="session")
def keep() -> Callable[[Page, str], None]:
    """Keeps a picture of a window, to be looked at."""
    PICTURES.mkdir(exist_ok=True)

    def keep(page: Page, name: str) -> None:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    return keep
