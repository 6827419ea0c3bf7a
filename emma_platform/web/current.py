"""The publication that a request reads: one open reader for the process, which follows the pointer.

Belongs here: keeping the reader, replacing it, readers of earlier publications. Does not belong here: what is read.

A request asks once and keeps the reader it got: all of its answer is then of one publication, whatever is published
meanwhile. A newer publication gets a new reader; the one before lives as long as somebody reads with it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from pathlib import Path

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.freshness import freshness
from emma_platform.serving.publication import ServingError, current
from emma_platform.serving.reader import Reader
from emma_platform.serving.sums_ahead import sum_ahead

LOOK_SECONDS = 1.0
"""How long an answer may lag behind the pointer, beside the time it takes to open what it points to."""

KEPT_OPEN = 3
"""Earlier publications held open at once; each holds a file and its list of files."""

_log = logging.getLogger(__name__)


class CurrentReader:
    """Opens publications when they are first asked for; any number of threads may share it."""

    def __init__(self, published: Path) -> None:
        self._published = published
        self._lock = threading.Lock()
        self._following = threading.Lock()
        self._newest: Reader | None = None
        self._looked = 0.0
        self._earlier: OrderedDict[str, Reader] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """A publication is open, so that `newest` waits for nothing."""
        return self._newest is not None

    def newest(self) -> Reader:
        """The newest publication; no request waits for a newer one to be opened.

        Raises:
            ServingError: nothing is published yet.
        """
        with self._lock:
            now = time.monotonic()
            if self._newest is None:
                self._newest, self._looked = Reader(self._published), now
            elif now - self._looked > LOOK_SECONDS:
                self._looked = now
                threading.Thread(target=self.follow, daemon=True).start()
            return self._newest

    def follow(self) -> None:
        """Open and warm what the pointer names, if that is another publication; until then the one before is read."""
        if not self._following.acquire(blocking=False):
            return
        try:
            found = current(self._published)
            if found is not None and self._newest is not None and found != self._newest.publication:
                newest = Reader(self._published)
                newest.warm(self._newest)
                # What the first list and the first page would wait for beside.
                freshness(newest, EVERY_STORE)
                sum_ahead(newest, EVERY_STORE)
                with self._lock:
                    self._newest = newest
        except ServingError as error:
            _log.warning("the newest publication cannot be opened, the one before is shown: %s", error)
        finally:
            self._following.release()

    def known_on(self, publication_id: str) -> Reader:
        """An earlier publication that is still kept.

        Raises:
            ServingError: it is not kept.
        """
        with self._lock:
            if publication_id in self._earlier:
                self._earlier.move_to_end(publication_id)
            else:
                self._earlier[publication_id] = Reader(self._published, publication_id=publication_id)
            while len(self._earlier) > KEPT_OPEN:
                self._earlier.popitem(last=False)
            return self._earlier[publication_id]
