"""The Dagster UI on a large home: how long its questions take, and its pages.

Belongs here: a web server on the home, questions as the UI asks them, pages until they show their partitions. Does not
belong here: the home (`scale_steps`) and the browser (`browser`).
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.browser import Browser, browser
from benchmarks.home import settings_of

MODULE = "emma_platform.definitions"
ASKED = 10
"""How often a question is asked after the first time."""

PARTITIONS = """
    query Partitions($key: AssetKeyInput!) {
      assetNodeOrError(assetKey: $key) { ... on AssetNode {
        partitionKeysByDimension { name type partitionKeys }
        partitionStats { numMaterialized numMaterializing numPartitions numFailed }
        assetPartitionStatuses {
          ... on DefaultPartitionStatuses { materializedPartitions failedPartitions unmaterializedPartitions }
          ... on MultiPartitionStatuses {
            primaryDimensionName
            ranges {
              primaryDimStartKey primaryDimEndKey
              secondaryDim {
                ... on DefaultPartitionStatuses { materializedPartitions failedPartitions }
                ... on TimePartitionStatuses { ranges { startKey endKey status } }
              }
            }
          }
        }
      } }
    }
"""
GRAPH = """
    query Graph { assetNodes {
      id assetKey { path } groupName isPartitioned dependencyKeys { path } dependedByKeys { path }
      opNames jobNames description computeKind owners { ... on TeamAssetOwner { team } }
      partitionDefinition { name type } freshnessInfo { currentLagMinutes }
    } }
"""
LIVE = """
    query Live($keys: [AssetKeyInput!]!) {
      assetNodes(assetKeys: $keys, loadMaterializations: true) {
        id assetKey { path }
        assetMaterializations(limit: 1) { timestamp runId partition }
        partitionStats { numMaterialized numMaterializing numPartitions numFailed }
        assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
      }
      assetsLatestInfo(assetKeys: $keys) { id unstartedRunIds inProgressRunIds latestRun { id status } }
    }
"""
STALE = (
    "query Stale($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) { id staleStatus staleCauses { reason } } }"
)
EVENTS = """
    query Events($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
      assetMaterializations(limit: 50) { partition timestamp runId metadataEntries { label } tags { key value } }
    } } }
"""
LONG = 18
MULTI = ("product_kpis", "clean_sales")
ALL = (
    "raw_sales", "clean_sales", "set_aside_rows", "product_kpis", "sales_forecast", "forecast_scores",
    "probable_stock_outs", "price_evidence", "price_priors", "price_response", "price_recommendations", "published",
)  # fmt: skip

DRAWN = [table for table in ALL if len(table) < LONG]
"""Longer names are cut on the picture."""


def looked_at(home: str, pictures: str | None) -> dict[str, str]:
    """Everything that is timed, by name, as texts."""
    with _server(home) as (url, seconds):
        found = {"ready after": f"{seconds:.1f} s"}
        keys = [{"path": [table]} for table in ALL]
        questions: dict[str, tuple[str, dict[str, Any]]] = {
            **{f"partitions of {table}": (PARTITIONS, {"key": {"path": [table]}}) for table in MULTI},
            "asset graph": (GRAPH, {}),
            "latest state of all assets": (LIVE, {"keys": keys}),
            "staleness of all assets": (STALE, {"keys": keys}),
            "50 events of product_kpis": (EVENTS, {"key": {"path": ["product_kpis"]}}),
        }
        for name, (query, variables) in questions.items():
            found[name] = _asked(url, query, variables)
        with browser() as tab:
            if tab is not None:
                found |= _pages(tab, url, Path(pictures) if pictures else None)
        return found


def _asked(url: str, query: str, variables: dict[str, Any]) -> str:
    times = []
    size = 0
    for _ in range(1 + ASKED):
        started = time.perf_counter()
        answer = _answer(url, query, variables)
        times.append(time.perf_counter() - started)
        size = len(answer)
    cold, warm = times[0], sorted(times[1:])
    p95 = warm[math.ceil(0.95 * len(warm)) - 1]
    return f"{cold:.2f} s cold, {median(warm):.2f} s warm, {p95:.2f} s p95 ({size / 1e3:,.0f} kB)"


def _answer(url: str, query: str, variables: dict[str, Any]) -> bytes:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=600) as response:  # noqa: S310 - our own server
        answer: bytes = response.read()
    if errors := json.loads(answer).get("errors"):
        raise AssertionError(f"Dagster refuses the question: {errors[0]['message']}")
    return answer


def _pages(tab: Browser, url: str, pictures: Path | None) -> dict[str, str]:
    """The asset's page until its partitions are counted, and the lineage until all assets are drawn."""
    shown = "document.body && document.body.innerText"
    pages = {
        "page of product_kpis with its partitions": (
            f"{url}/assets/product_kpis?view=partitions", f"/Materialized\\s*\\(?[1-9]/.test({shown})",
        ),
        "lineage up to published": (
            f"{url}/assets/published?view=lineage&lineageScope=upstream&lineageDepth=9",
            f"[{', '.join(map(repr, DRAWN))}].every(name => ({shown} || '').includes(name))",
        ),
    }  # fmt: skip
    found = {}
    for number, (name, (page, script)) in enumerate(pages.items()):
        times = [tab.seconds_until(page, script) for _ in range(3)]
        found[name] = f"{times[0]:.1f} s first, {min(times[1:]):.1f} s again"
        if pictures is not None:
            time.sleep(2)  # what is drawn last
            pictures.mkdir(parents=True, exist_ok=True)
            tab.picture(pictures / f"ui-{number}.png")
    return found


@contextmanager
def _server(home: str) -> Iterator[tuple[str, float]]:
    """A web server on the home: its address, and the seconds until it answered."""
    from emma_platform.pipeline.instance import prepare

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, **prepare(settings_of(home))}
    command = [sys.executable, "-m", "dagster_webserver", "-m", MODULE, "-h", "127.0.0.1", "-p", port]
    started = time.perf_counter()
    server = subprocess.Popen(  # noqa: S603 - Dagster's web server
        [*command, "--log-level", "error"], env=environment, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _is_up(url):
            if server.poll() is not None:
                raise RuntimeError(f"the web server ended with {server.returncode}")
            time.sleep(0.1)
        yield url, time.perf_counter() - started
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=60):  # noqa: S310 - our own server
            return True
    except OSError:
        return False
