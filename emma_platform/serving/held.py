"""The file of a publication, which stays readable while somebody holds it.

Belongs here: holding the file and attaching it. Does not belong here: what is read of it (`opened`).
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path

import duckdb

from emma_platform.serving.publication import ServingError
from emma_platform.serving.selection import SCHEMA


class Held:
    """An open file; one that is removed meanwhile can be attached all the same."""

    def __init__(self, file: Path) -> None:
        """Open the file.

        Raises:
            ServingError: it is gone.
        """
        self._file = file
        try:
            self._handle = os.open(file, os.O_RDONLY)
        except OSError as error:
            raise self._error(error) from error
        weakref.finalize(self, os.close, self._handle)

    def attach(self) -> duckdb.DuckDBPyConnection:
        """A database in memory with the file attached as `selection.SCHEMA`, read-only.

        Attached, not opened: the second connect() of a process to a path gets its first, whatever was renamed since.

        Raises:
            ServingError: the file is no publication.
        """
        connection = duckdb.connect(config={"python_enable_replacements": False})
        connection.execute("SET TimeZone = 'UTC'")
        by_handle = f"/dev/fd/{self._handle}"
        path = by_handle if Path(by_handle).exists() else str(self._file).replace("'", "''")
        try:
            connection.execute(f"ATTACH '{path}' AS {SCHEMA} (READ_ONLY)")
        except duckdb.Error as error:
            connection.close()
            raise self._error(error) from error
        return connection

    def _error(self, error: Exception) -> ServingError:
        return ServingError(f"{self._file} cannot be opened ({error}); run `emma update`")
