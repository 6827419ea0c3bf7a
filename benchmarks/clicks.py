"""People who click through the pages of a server, and what it counted of them.

Belongs here: a client's requests, and the server's histogram as it tells it. Does not belong here: how many click how
fast, and beside what (`w1_load`).
"""

from __future__ import annotations

import http.client
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from html import unescape
from http import HTTPStatus

from benchmarks import made_lake

PATIENCE = 120.0
"""Seconds to wait for an answer."""

OVERVIEW, DETAIL, WHY = KINDS = "overview", "detail", "why"
SORTS = ("revenue", "gross_margin_28d", "forecast_units_28d", "product")


class Clicks:
    """People with a browser each: what they ask for, how long it took them, and what went wrong."""

    def __init__(self, port: int, cookie: str) -> None:
        self._port, self._headers = port, {"cookie": cookie, "accept": "text/html", "accept-encoding": "gzip"}
        self.times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.errors: Counter[str] = Counter()

    def products(self, shape: dict[str, int]) -> list[str]:
        """Where the products' pages are, as lists of some stores link to them."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        found: set[str] = set()
        for store in made_lake.stores_of(shape["stores"])[:10]:
            connection.request(
                "GET", f"/products?store={store}", headers=self._headers | {"accept-encoding": "identity"}
            )
            response = connection.getresponse()
            page = response.read().decode()
            if response.status != HTTPStatus.OK:
                raise RuntimeError(f"the list of {store} came with status {response.status}: {page[:500]}")
            found |= set(map(unescape, re.findall(r'href="(/products/[^"/]+/[^"/?]+)[?"]', page)))
        connection.close()
        return sorted(found)

    def work(self, products: list[str], shape: dict[str, int], *, rate: float, count: int, seed: int) -> None:
        """Click: a list, a product, a list, …; `rate` is clicks a second, 0 without a pause."""
        chosen = random.Random(seed)  # noqa: S311 - a choice to measure with
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        started = time.perf_counter()
        for number in range(count):
            if rate:
                time.sleep(max(0.0, started + (number + chosen.random()) / rate - time.perf_counter()))
            store = chosen.choice(made_lake.stores_of(shape["stores"]))
            if number % 2:
                product = chosen.choice(products)
                self._click(connection, DETAIL, product)
                self._click(connection, WHY, f"{product}/why/revenue")
            else:
                self._click(connection, OVERVIEW, f"/products?store={store}&sort={chosen.choice(SORTS)}")
        connection.close()

    def _click(self, connection: http.client.HTTPConnection, kind: str, path: str) -> None:
        started = time.perf_counter()
        try:
            connection.request("GET", path, headers=self._headers)
            response = connection.getresponse()
            response.read()
            if response.status != HTTPStatus.OK:
                self.errors[f"{kind} {response.status}"] += 1
        except (OSError, http.client.HTTPException) as error:
            self.errors[f"{kind} {error!r}"] += 1
            connection.close()
        self.times[kind].append(1000 * (time.perf_counter() - started))

    def counted(self) -> dict[str, Buckets]:
        """What the server counted until now, by kind."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        product = r"/products/\{[^/]*\}/\{[^/]*\}"
        routes = {OVERVIEW: "/products|/", DETAIL: product, WHY: rf"{product}/why/\{{[^/]*\}}"}
        return {kind: buckets(text, route) for kind, route in routes.items()}


class Buckets(dict[float, float]):
    """Of a histogram, how many were at most so many milliseconds."""

    def __sub__(self, before: Mapping[float, float]) -> Buckets:
        """Those that came after."""
        return Buckets({most: number - before.get(most, 0.0) for most, number in self.items()})


def buckets(text: str, route: str) -> Buckets:
    """The histogram of the routes that a pattern matches whole, from the text that `/metrics` answers."""
    line = re.compile(
        rf'^emma_http_request_seconds_bucket\{{le="([^"]+)",method="GET",route="(?:{route})"\}} (\S+)$', re.MULTILINE
    )
    found = Buckets()
    for most, number in line.findall(text):
        found[1000 * float(most)] = found.get(1000 * float(most), 0.0) + float(number)
    return found


def quantile(found: Mapping[float, float], share: float) -> float:
    """Milliseconds that a share of the requests was answered within, linear within a bucket; 0 without requests."""
    below, before = 0.0, 0.0
    wanted = share * max(found.values(), default=0.0)
    for most in sorted(found):
        if found[most] >= wanted and found[most] > before:
            inside = (wanted - before) / (found[most] - before)
            return below + inside * ((most if most != float("inf") else 2 * below) - below)
        below, before = most, found[most]
    return 0.0
