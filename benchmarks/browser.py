"""A page in headless Chromium, driven over its DevTools protocol: how long until it shows something, and its picture.

Belongs here: the browser. Does not belong here: which pages. Needs Debian's `chromium`; without it there are no pages.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PATIENCE = 120.0
"""Seconds until a page that does not show what it should counts as failed."""


class Browser:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._last = socket, 0
        self._call("Page.enable")

    def seconds_until(self, url: str, script: str) -> float:
        """Open a page and wait until the script, JavaScript, is true on it.

        Raises:
            TimeoutError: it does not become so within `PATIENCE` seconds.
        """
        started = time.perf_counter()
        self._call("Page.navigate", url=url)
        while time.perf_counter() - started < PATIENCE:
            if self.value(script):
                return time.perf_counter() - started
            time.sleep(0.05)
        raise TimeoutError(f"{url}: {script} is not true after {PATIENCE:g} s; it shows: {self.value(SHOWN)}")

    def value(self, script: str) -> Any:  # noqa: ANN401 - whatever JavaScript says
        """The value of an expression on the page."""
        return self._call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write what the tab shows."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=PATIENCE))
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                found: dict[str, Any] = answer["result"]
                return found


SHOWN = "document.body && document.body.innerText"


@contextmanager
def browser() -> Iterator[Browser | None]:
    """A browser with an empty profile, ended with the block; None where there is no Chromium."""
    if (command := shutil.which("chromium")) is None:
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(  # noqa: S603 - Chromium
            [
                command, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000",
                "--remote-debugging-port=0", f"--user-data-dir={profile}", "--no-first-run", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with connect(_tab(Path(profile)), max_size=None) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            process.wait()


def _tab(profile: Path) -> str:
    """The address of the first tab, once the browser has said its port."""
    import urllib.request

    until = time.monotonic() + PATIENCE
    said = profile / "DevToolsActivePort"
    while time.monotonic() < until:
        if said.exists() and (port := said.read_text(encoding="ascii").partition("\n")[0]):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                for tab in json.load(answer):
                    if tab["type"] == "page":
                        return str(tab["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise TimeoutError("Chromium does not start")
