"""What is worked out of a store with a publication and kept in a file: for the stores of which it changed.

Belongs here: how such files are named, when they are written, which are removed. Does not belong here: the form of a
file (`store_pages`) and what is in it (`page_rows`, `kept_changes`).

A file is named by what it is made from: the store's files in the lake, which never change, and versions of tables. So a
store that did not change keeps its file from publication to publication, and an earlier publication finds its own as
long as it is there. Without a file what it holds is worked out when it is asked for.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from emma_platform.serving import store_pages
from emma_platform.serving.opened import Opened
from emma_platform.serving.publication import ServingError
from emma_platform.serving.runs import places
from emma_platform.serving.store_pages import StoreRows

FOLDER = "pages"
"""Below the folder of the publications."""

_TOGETHER = 20
"""Stores that are read in one statement: 18,000 rows of key figures each, with 200 products."""

_EARLIER_KEPT = 1
"""Files of a store kept beside the newest publication's: whoever reads the one before still has them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file; each store has one of each.

    Attributes:
        name: what tells its files from those of other kinds.
        tables: the tables in it.
        made_from: all that the rows of a store follow from.
        read: the rows of some stores; a store without any gets no file.
    """

    name: str
    tables: tuple[str, ...]
    made_from: Callable[[Opened, str], Iterable[str]]
    read: Callable[[Opened, Sequence[str]], Iterator[tuple[str, Mapping[str, pa.Table]]]]


def rows_of(opened: Opened, store: str, kind: Kind) -> StoreRows | None:
    """The open file of a store, None where there is none.

    It holds rows of one store: the caller has checked that who asks may see it.
    """
    if (store, kind.name) not in opened.store_files:
        opened.store_files[store, kind.name] = _file(opened, store, kind)
    return store_pages.opened(opened.store_files[store, kind.name], kind.tables)


def write_missing(opened: Opened, kinds: Sequence[Kind]) -> None:
    """Write the files of the stores that have none yet, and remove those that nothing is read from any more.

    What cannot be written is told to the log.
    """
    stores = sorted(opened.stores & opened.files.get("product_kpis", {}).keys())
    folder = opened.publication.file.parent / FOLDER
    wanted: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        for kind in kinds:
            files = {store: _file(opened, store, kind) for store in stores}
            missing = iter([store for store in stores if not files[store].exists()])
            while together := list(islice(missing, _TOGETHER)):
                for store, tables in kind.read(opened, together):
                    store_pages.write(files[store], tables)
            wanted += files.values()
        _remove_others(folder, wanted)
    except (OSError, ServingError) as error:
        _log.warning("the rows of some stores are not at hand for their pages: %s", error)


def by_store(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each store, of rows sorted by it."""
    for store, place in places(rows["store"]).items():
        yield store, rows.slice(*place)


def _file(opened: Opened, store: str, kind: Kind) -> Path:
    digest = hashlib.blake2b("\n".join(kind.made_from(opened, store)).encode(), digest_size=16).hexdigest()
    # A store's name may hold anything.
    prefix = hashlib.blake2b(store.encode(), digest_size=8).hexdigest()
    return opened.publication.file.parent / FOLDER / f"{prefix}.{kind.name}-{digest}.arrow"


def _remove_others(folder: Path, wanted: Iterable[Path]) -> None:
    """Remove what is not a store's newest file of a kind or one of the last before it."""
    kept = set(wanted)
    others: defaultdict[str, list[tuple[int, Path]]] = defaultdict(list)
    for file in folder.iterdir():
        if file not in kept:
            others[file.name.partition("-")[0]].append((file.stat().st_mtime_ns, file))
    known = {file.name.partition("-")[0] for file in kept}
    for prefix, found in others.items():
        found.sort(reverse=True)
        for _, file in found[_EARLIER_KEPT if prefix in known else 0 :]:
            file.unlink(missing_ok=True)
