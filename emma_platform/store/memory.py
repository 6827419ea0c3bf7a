"""The fake: tables with versions in memory, under the same contract as the lake.

Belongs here: what tests need of a store without a disk behind it. Does not belong here: anything that lasts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emma_platform.model.schema import Table
from emma_platform.store import layout
from emma_platform.store.protocol import Files, NoVersionError, Replace, Size

_State = dict[layout.Place, pa.Table]


class MemoryStore:
    """Keeps every version in memory; `files` writes Parquet below the folder it is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions: dict[str, dict[int, _State]] = {}
        self.metadata: dict[tuple[str, int], dict[str, str]] = {}

    def commit(self, table: str, rows: pa.Table, replace: Replace, metadata: Mapping[str, str]) -> int:
        """See `TableStore.commit`; the metadata is kept in `metadata`."""
        described = layout.table_of(table)
        new = layout.pieces(described, layout.conform(described, rows))
        layout.check_inside(described, new, replace)
        versions = self._versions.setdefault(table, {})
        before = versions[max(versions)] if versions else {}
        after = dict(before)
        for place, days in layout.replaced(replace, before).items():
            old = after.pop(place, None)
            if old is not None and days is not None:
                after[place] = layout.without_days(old, days)
        for place, piece in new.items():
            beside = [after[place]] if place in after else []
            after[place] = layout.in_order(described, pa.concat_tables([*beside, piece]))
        version = max(versions, default=-1) + 1
        versions[version] = {place: after[place] for place in sorted(after) if after[place].num_rows}
        self.metadata[table, version] = dict(metadata)
        return version

    def version(self, table: str) -> int | None:
        """See `TableStore.version`."""
        layout.table_of(table)
        return max(self._versions.get(table, {}), default=None)

    def restore(self, table: str, version: int | None) -> None:
        """See `TableStore.restore`."""
        versions = self._versions.get(table, {})
        wanted = {} if version is None else self._state(layout.table_of(table), version)[1]
        if versions and versions[max(versions)] != wanted:
            number = max(versions) + 1
            versions[number] = wanted
            self.metadata[table, number] = {"restored": str(version)}

    def files(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
    ) -> Files:
        """See `TableStore.files`."""
        described = layout.table_of(table)
        number, state = self._state(described, version)
        paths = []
        for place in _selected(state, stores, months):
            path = self._folder / table / str(number) / place.path(f"{place.month or 'rows'}.parquet")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(state[place], path, store_schema=False)
            paths.append(str(path.absolute()))
        return Files(table, tuple(paths))

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """See `TableStore.read`."""
        described = layout.table_of(table)
        layout.check_cut(described, stores, months)
        schema = layout.schema_of(described, columns)
        _, state = self._state(described, version)
        found = [state[place].select(schema.names) for place in _selected(state, stores, months)]
        return pa.concat_tables([schema.empty_table(), *found])

    def maintain(self, table: str, keep: Collection[int]) -> Size:
        """See `TableStore.maintain`; counts the files that `files` had written."""
        versions = self._versions.get(table, {})
        if not versions:
            return Size()
        needed = {*keep, max(versions)}
        for version in needed:
            self._state(layout.table_of(table), version)
        deleted = Size()
        for version in versions.keys() - needed:
            for path in (self._folder / table / str(version)).rglob("*.parquet"):
                deleted += Size(1, path.stat().st_size)
                path.unlink()
        self._versions[table] = {version: versions[version] for version in needed}
        return deleted

    def replaced(self, table: str, since: int | None) -> Size:
        """See `TableStore.replaced`; pieces that a version no longer has count as files of no bytes."""
        versions = sorted(self._versions.get(table, {}).items())
        pairs = ((old, new) for (_, old), (number, new) in pairwise(versions) if since is None or number > since)
        return Size(sum(new.get(place) is not piece for old, new in pairs for place, piece in old.items()))

    def _state(self, table: Table, version: int | None) -> tuple[int, _State]:
        versions = self._versions.get(table.name, {})
        if version is None:
            return (max(versions), versions[max(versions)]) if versions else (-1, {})
        if version not in versions:
            raise NoVersionError(f"{table.name} has no version {version}; it was never made, or maintenance removed it")
        return version, versions[version]


def _selected(
    state: _State, stores: Collection[str | None] | None, months: Collection[str] | None
) -> list[layout.Place]:
    keys, spelled = layout.spelled_stores(stores), layout.spelled_months(months)
    return [
        place
        for place in state
        if (keys is None or not place.store_key or place.store_key in keys)
        and (spelled is None or not place.month or place.month in spelled)
    ]
