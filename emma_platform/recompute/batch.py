"""The batch: one run that takes what arrived, computes what it affects and publishes it; repeatable at any instant.

Belongs here: the order of the stages, and putting the lake back where the ledger says it is. Does not belong here: the
stages themselves, waiting for one's turn (`turn`), and telling Dagster (`pipeline`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import sqlalchemy as sa

from emma_platform.model.tables import KEPT, PUBLISHED
from emma_platform.recompute import advice_stage, code, model_stage, price_stages, recovery, stages, store_stages
from emma_platform.recompute.inputs import SLICED
from emma_platform.recompute.intake import take_due, take_new
from emma_platform.recompute.ledger import Result, batches, codes, partitions, record, upsert, versions, want
from emma_platform.recompute.plan import EVERYTHING, Selection
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.propagate import WHOLE
from emma_platform.recompute.provenance import runs
from emma_platform.recompute.told import NO_FAILURES, failures, told
from emma_platform.recompute.turn import turn
from emma_platform.serving.publish import Publication, current, publish

WAITING = "waiting for another batch to end"
FAILURES = "failing files"
"""Under `codes`, in the place of a table: which failing files were told of in the last publication."""

BeforePublication: TypeAlias = Callable[[], None]
"""Called when everything is computed, before it is published: what looks at the figures is then published with them."""
p = partitions.c


@dataclass(frozen=True)
class BatchReport:
    """What a batch did.

    Attributes:
        id: the batch's number, ascending.
        partitions: how many partitions of each table were computed.
        layers: seconds spent in each layer.
        publication: the publication it left, or None when there is nothing to publish.
    """

    id: int
    seconds: float
    partitions: dict[str, int]
    layers: dict[str, float]
    publication: Publication | None


def nothing() -> None:
    """Nobody looks."""


def update(platform: Platform, before_publication: BeforePublication = nothing) -> BatchReport:
    """Take what arrived and compute everything that it affects."""
    return _run(platform, EVERYTHING, before_publication)


def rebuild(
    platform: Platform, *, store: str | None = None, first: date | None = None, last: date | None = None
) -> BatchReport:
    """Compute everything, or the named stores and days of it, again from the archived files."""
    with one_at_a_time(platform):
        forget(platform, store=store, first=first, last=last)
        return update(platform)


def forget(
    platform: Platform, *, store: str | None = None, first: date | None = None, last: date | None = None
) -> None:
    """Make everything, or the named stores and days of it, stale; the next update computes it from archived files.

    Raises:
        UnknownStoreError: there is no such store.
    """
    with one_at_a_time(platform):
        recovery.recover(platform)
        if store is not None:
            recovery.check_store(platform, store)
        if damaged := recovery.damaged(platform):
            recovery.forget(platform, lost=damaged)
            recovery.recover(platform)
        recovery.forget(platform, store=store, first=first, last=last)
        platform.observer.step("rebuild: forgotten")


def materialise(
    platform: Platform, selection: Selection, before_publication: BeforePublication = nothing
) -> BatchReport:
    """Compute the selected partitions of the selected tables again, whether or not they are stale."""
    with one_at_a_time(platform):
        recovery.forget_partitions(platform, selection)
        platform.observer.step("selection: forgotten")
        return _run(platform, selection, before_publication)


@contextmanager
def one_at_a_time(platform: Platform) -> Iterator[None]:
    """One batch at a time, first come first served; whoever holds its turn may begin a batch within it."""
    with turn(platform.settings.home, lambda: platform.observer.step(WAITING)):
        yield


def _run(platform: Platform, selection: Selection, before_publication: BeforePublication) -> BatchReport:
    started = time.perf_counter()
    layers: dict[str, float] = {}
    waiting: dict[str, str] = {}
    with one_at_a_time(platform):
        recovery.recover(platform)
        digests = code.current(platform.settings)
        with platform.ledger.transaction() as connection:
            code.refresh(connection, digests, platform.settings.forecast_history_days)
            batch = connection.execute(
                sa.insert(batches).values(started_at=platform.now().isoformat(timespec="seconds"))
            ).inserted_primary_key[0]  # type: ignore[index]
            if platform.run is not None:
                upsert(connection, runs, [{"batch": batch, "run": platform.run}])
        work = store_stages.Work(platform, selection, digests, batch)
        with _timed(layers, "intake"):
            take_due(platform, digests, batch)
            if selection is EVERYTHING:
                waiting = take_new(platform, digests, batch)
            take_due(platform, digests, batch)
        with _timed(layers, "clean_sales"):
            stages.clean(platform, selection, digests, batch)
        with _timed(layers, "product_kpis"):
            stages.kpis(platform, selection, digests, batch)
        with _timed(layers, "prices"):
            price_stages.evidence(work)
            price_stages.priors(work)
            price_stages.responses(work)
        with _timed(layers, "forecasts"):
            model_stage.train(work)
            store_stages.forecasts(work)
        with _timed(layers, "prices"):
            price_stages.recommendations(work)
        with _timed(layers, "advice"):
            advice_stage.effects(work)
        before_publication()
        with _timed(layers, "publication"):
            publication = (
                _publish(platform, batch, waiting)
                if selection.has("published")
                else current(platform.settings.published)
            )
        return _close(platform, batch, time.perf_counter() - started, layers, publication)


@contextmanager
def _timed(layers: dict[str, float], layer: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    layers[layer] = layers.get(layer, 0.0) + time.perf_counter() - started


def _publish(platform: Platform, batch: int, waiting: Mapping[str, str]) -> Publication | None:
    """Publish the state that the ledger speaks of, unless that is published already from this place.

    A state is also which files fail: people see it where they see the figures.

    While some table is still to follow another, as after a crash, the tables are of no one state: nothing is published.
    """
    with platform.ledger.transaction() as connection:
        rows = connection.execute(sa.select(versions.c.table_name, versions.c.version)).all()
        place = connection.scalar(sa.select(codes.c.digest).where(codes.c.table_name == PUBLISHED.name))
        recorded = connection.scalar(sa.select(p.content).where(p.table_name == PUBLISHED.name))
        behind = sa.select(p.table_name).where(p.wanted != p.done, p.table_name.not_in(SLICED.values()))
        unfinished = connection.scalar(behind.limit(1))
        failing = failures(connection)
        told_failing = connection.scalar(sa.select(codes.c.digest).where(codes.c.table_name == FAILURES))
    known = {table: version for table, version in rows if table in KEPT}
    before = current(platform.settings.published)
    here = str(platform.settings.home.absolute())
    if not known or unfinished:
        return before
    same = failing == (told_failing or NO_FAILURES) and place == here
    if before is not None and dict(before.versions) == known and same and before.file.exists():
        if recorded != before.id:
            _record_publication(platform, before, here, batch)
        return before
    publication = publish(
        platform.store,
        versions=known,
        published=platform.settings.published,
        publication_id=f"{platform.now():%Y%m%dT%H%M%SZ}-{batch}",
        at=platform.now(),
        keep=platform.settings.kept_publications,
        told=told(platform, batch, waiting),
    )
    platform.observer.step("published")
    _record_publication(platform, publication, here, batch, failing)
    return publication


def _record_publication(
    platform: Platform, publication: Publication, place: str, batch: int, failing: str | None = None
) -> None:
    result = Result(WHOLE, publication.id, publication.id, len(publication.rows))
    with platform.ledger.transaction() as connection:
        record(connection, PUBLISHED.name, [result], batch)
        want(connection, PUBLISHED.name, {result.key: result.done})
        upsert(connection, codes, [{"table_name": PUBLISHED.name, "digest": place}])
        if failing is not None:
            upsert(connection, codes, [{"table_name": FAILURES, "digest": failing}])


def _close(
    platform: Platform, batch: int, seconds: float, layers: dict[str, float], publication: Publication | None
) -> BatchReport:
    with platform.ledger.transaction() as connection:
        counted = connection.execute(
            sa.select(p.table_name, sa.func.count()).where(p.batch == batch).group_by(p.table_name)
        )
        done: dict[str, int] = dict(counted.all())
        connection.execute(
            sa.update(batches)
            .where(batches.c.id == batch)
            .values(
                seconds=seconds, partitions=done, layers=layers, publication=publication.id if publication else None
            )
        )
    return BatchReport(batch, seconds, done, layers, publication)
