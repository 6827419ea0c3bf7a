"""`emma dev` as people use it: the real UI and daemon, a file dropped, a correction, a backfill beside both, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from emma_platform.cli import main
from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.reader import Reader
from emma_platform_tests.pipeline.dagster_home import DagsterHome
from emma_platform_tests.recompute.home import HEADER, day, sale

PATIENCE_SECONDS = 300
"""For a busy machine; on a quiet one the whole test takes 40 s."""

SHOWN = """{
  assetNodes(assetKeys: [{path: "product_kpis"}]) {
    partitionStats { numMaterialized }
  }
}"""

BACKFILL = """mutation ($days: [String!]) {
  launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["product_kpis"]}], partitionNames: $days}) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
  }
}"""

ENDED = """query ($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } }
}"""

AT_WORK = """{
  runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
    ... on Runs { results { id } }
  }
}"""


def until(what: str, answer: Callable[[], Any]) -> Any:
    """The first answer that is not None."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = answer()
        if found is not None:
            return found
        time.sleep(0.5)  # each look is work for the UI
    raise AssertionError(f"never {what}")


class Dev:
    """The command, running on a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = [Path(sys.executable).with_name("emma"), "dev", "--home", home, "--port", str(self.port)]
        self.output = home.with_name("output.txt")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMMA_", "DAGSTER_"))}
        with self.output.open("wb") as output:
            # A session of its own, so that every process that it starts can be found.
            self.process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=kept | {"EMMA_QUIET_SECONDS": "0.5"},
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def drop(self, name: str, *lines: str) -> None:
        beside = self.home / "beside"
        beside.write_text(HEADER + "".join(lines), encoding="utf-8")
        beside.replace(self.home / "landing" / name)

    def published(self) -> dict[str, Any] | None:
        pointer = self.home / "published" / "current.json"
        return json.loads(pointer.read_text(encoding="utf-8")) if pointer.exists() else None

    def asked(self, query: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables or {}}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - its own server
            found: dict[str, Any] = json.load(response)
        assert "errors" not in found, found
        return found["data"]  # type: ignore[no-any-return]

    def shown(self) -> int | None:
        """The partitions of product_kpis that the UI shows as materialised."""
        nodes = self.asked(SHOWN)["assetNodes"]
        return nodes[0]["partitionStats"]["numMaterialized"] if nodes else None

    def update(self) -> int:
        """`emma update` beside it; the exit status."""
        return CliRunner().invoke(main, ["update", "--home", str(self.home)]).exit_code

    def ended(self, backfill: str) -> str | None:
        """How a backfill came out, once it has."""
        status: str = self.asked(ENDED, {"id": backfill})["partitionBackfillOrError"]["status"]
        return None if status in ("REQUESTED", "CANCELING") else status

    def idle(self) -> bool | None:
        """No run is at work or about to be."""
        return not self.asked(AT_WORK)["runsOrError"]["results"] or None

    def descendants(self) -> list[str]:
        """The processes of its session that still live."""
        listed = subprocess.run(
            ["ps", "-o", "args=", "-s", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [line for line in listed.stdout.splitlines() if "<defunct>" not in line]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    running = Dev(tmp_path / "home")
    yield running
    if running.descendants():
        os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()


@pytest.mark.long
def test_from_a_dropped_file_to_a_publication_and_a_clean_end(dev: Dev) -> None:
    until("ready", lambda: "Ready" in dev.said() or dev.process.poll() is not None or None)
    assert f"Ready: http://127.0.0.1:{dev.port}\nDrop files into {dev.home / 'landing'}." in dev.said()

    # Sales of another year than the one that the UI began with: it must show them none the less.
    dropped = time.monotonic()
    dev.drop("sales.csv", *(sale(on=on - 3 * 366, receipt=f"R{on}") for on in range(30)))
    first = until("published", dev.published)
    seconds = [time.monotonic() - dropped]
    assert first["rows"]["product_kpis"] == 30
    until("shown in the UI", lambda: dev.shown() == 30 or None)

    dropped = time.monotonic()
    dev.drop("sales.csv", *(sale(on=on - 3 * 366, quantity=2, receipt=f"R{on}") for on in range(29)))
    second = until("published again", lambda: found if (found := dev.published()) != first else None)
    seconds.append(time.monotonic() - dropped)
    assert second["rows"]["product_kpis"] == 29
    until("shown in the UI", lambda: dev.shown() == 29 or None)
    print(f"from a dropped file to its publication: {seconds} s")  # noqa: T201 - the measurement

    # A backfill of every store-day, while a file is dropped that corrects them and a person updates by command.
    days = [f"{day(on - 3 * 366)}|S1" for on in range(29)]
    backfill = dev.asked(BACKFILL, {"days": days})["launchPartitionBackfill"]["backfillId"]
    dev.drop("sales.csv", *(sale(on=on - 3 * 366, quantity=3, receipt=f"R{on}") for on in range(29)))
    assert dev.update() == 0
    until("backfilled", lambda: dev.ended(backfill))
    assert dev.ended(backfill) == "COMPLETED_SUCCESS"
    sold = Reader(dev.home / "published").table(EVERY_STORE, "product_kpis", columns=["units"])
    assert sold["units"].to_pylist() == [3] * 29
    until("without a run at work", dev.idle)

    assert any("multiprocessing.forkserver" in process for process in dev.descendants()), "runs start cold"
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(PATIENCE_SECONDS) == 0
    until("without any process left", lambda: dev.descendants() == [] or None)
    assert dev.said().splitlines() == [
        f"Starting the Dagster UI on http://127.0.0.1:{dev.port} ...",
        f"Ready: http://127.0.0.1:{dev.port}",
        f"Drop files into {dev.home / 'landing'}. Ctrl-C stops.",
        "Stopped.",
    ]
    again = DagsterHome(dev.home)
    with again.instance() as instance:
        assert again.shown(instance) == again.held()
