"""Metrics for Prometheus: requests and how long they took over all workers, and the publication that is shown.

Belongs here: what is measured, and `/metrics`. Does not belong here: taking the time (`watch`).

`emma serve` sets PROMETHEUS_MULTIPROC_DIR before its workers start: each keeps its numbers in a file there, and
whichever is asked adds them up. Numbers of a worker that died stay counted.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_address

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from emma_platform.serving.publication import Publication, ServingError
from emma_platform.web.current import CurrentReader
from emma_platform.web.watch import Answered

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder of the workers' numbers; prometheus_client reads it when it is imported."""

BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Seconds; 0.02 is the goal of an answer from the publication."""

REQUESTS = Counter("emma_http_requests", "Requests answered.", ("method", "route", "status"))
SECONDS = Histogram(
    "emma_http_request_seconds", "Seconds from a request's arrival to its last byte.", ("method", "route"),
    buckets=BUCKETS,
)  # fmt: skip

router = APIRouter()


def count(answered: Answered) -> None:
    """Count a request."""
    REQUESTS.labels(answered.method, answered.route, str(answered.status)).inc()
    SECONDS.labels(answered.method, answered.route).observe(answered.seconds)


class Published(Collector):
    """What is shown, read when it is asked for, as each worker would read it."""

    def __init__(self, current: CurrentReader) -> None:
        self._current = current

    def collect(self) -> Iterable[Metric]:
        """The publication's id, age and rows; nothing while nothing is published."""
        try:
            publication = self._current.newest().publication
        except ServingError:
            return ()
        return _described(publication)


def _described(publication: Publication) -> Iterable[Metric]:
    info = InfoMetricFamily("emma_publication", "The publication that is shown.")
    info.add_metric((), {"id": publication.id, "at": publication.at.isoformat()})
    age = (datetime.now(UTC) - publication.at).total_seconds()
    rows = GaugeMetricFamily("emma_published_rows", "Rows of each published table.", labels=("table",))
    for table, number in publication.rows.items():
        rows.add_metric((table,), number)
    return info, GaugeMetricFamily("emma_publication_age_seconds", "Seconds since it was published.", age), rows


def render(current: CurrentReader) -> bytes:
    """All metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = b""
    else:
        own = generate_latest(REGISTRY)
    registry.register(Published(current))
    return own + generate_latest(registry)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """The metrics, for whoever has the token or asks from this machine."""
    if not _allowed(request):
        raise HTTPException(403, "metrics are for this machine, or for who has EMMA_METRICS_TOKEN")
    return Response(render(request.app.state.current), media_type=CONTENT_TYPE_LATEST)


def _allowed(request: Request) -> bool:
    token = request.app.state.settings.metrics_token
    if token is not None:
        given = request.headers.get("authorization", "")
        return secrets.compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode())
    # A proxy on this machine also asks from here, on behalf of anybody.
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"))
    return not forwarded and request.client is not None and _is_loopback(request.client.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
