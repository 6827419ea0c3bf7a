"""The publication that a request reads: one open reader for the process, which follows the pointer.

Belongs here: keeping the reader, refreshing it, readers of earlier publications. Does not belong here: what is read.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from pathlib import Path

from emma_platform.serving.reader import Reader

LOOK_SECONDS = 1.0
"""How long an answer may lag behind the pointer."""

KEPT_OPEN = 3
"""Earlier publications held open at once; each holds a file and its list of files."""


class CurrentReader:
    """Opens publications when they are first asked for; any number of threads may share it."""

    def __init__(self, published: Path) -> None:
        self._published = published
        self._lock = threading.Lock()
        self._newest: Reader | None = None
        self._looked = 0.0
        self._earlier: OrderedDict[str, Reader] = OrderedDict()

    def newest(self) -> Reader:
        """The newest publication.

        Raises:
            ServingError: nothing is published yet.
        """
        with self._lock:
            now = time.monotonic()
            if self._newest is None:
                self._newest, self._looked = Reader(self._published), now
            elif now - self._looked > LOOK_SECONDS:
                self._newest.refresh()
                self._looked = now
            return self._newest

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
