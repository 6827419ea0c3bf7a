"""A landing folder, and a way from a file's bytes to its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from emma_platform.model.tables import SET_ASIDE_ROWS
from emma_platform.sources.files import FileSource
from emma_platform.sources.protocol import Delivery, Sighting, Taken

TODAY = date(2026, 11, 23)
NOW_NS = 1_795_400_000_000_000_000
HEADER = "store,receipt,sold_at,product,quantity,unit_price\n"
ROW = "S1,R1,2026-11-22 17:45,P1,1,1.99\n"


@dataclass
class Desk:
    """One home with a landing folder, whose clock can be set."""

    home: Path
    zones: dict[str, str] = field(default_factory=dict)
    now_ns: int = NOW_NS

    def source(self, **options: object) -> FileSource:
        given = {"quiet_seconds": 2.0, "first_day": date(2000, 1, 1), "max_line_bytes": 1_000_000, **options}
        return FileSource(
            self.landing, self.home / "archive", self.home / "sources.yaml", now_ns=lambda: self.now_ns, **given
        )

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    def map(self, yaml: str) -> None:
        (self.home / "sources.yaml").write_text(yaml, "utf-8")

    def drop(self, name: str, data: bytes | str) -> Sighting:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        status = path.stat()
        return Sighting(name, status.st_size, status.st_mtime_ns)

    def take(self, name: str, data: bytes | str, **options: object) -> Taken:
        return self.source(**options).take(self.drop(name, data), TODAY)

    def deliveries(self, name: str, data: bytes | str, **options: object) -> list[Delivery]:
        return list(self.source(**options).read(self.take(name, data), self.zones))

    def read(self, name: str, data: bytes | str, **options: object) -> Delivery:
        """All pieces of a file as one; checks what holds for every delivery."""
        pieces = self.deliveries(name, data, **options)
        assert len({piece.input for piece in pieces}) == 1
        for piece in pieces:
            assert piece.lines == piece.rows.num_rows + piece.set_aside.num_rows
            assert piece.set_aside.schema == SET_ASIDE_ROWS.arrow_schema()
            piece.rows.validate(full=True)
            piece.set_aside.validate(full=True)
        rows = pa.concat_tables([piece.rows for piece in pieces])
        set_aside = pa.concat_tables([piece.set_aside for piece in pieces])
        lines = sum(piece.lines for piece in pieces)
        numbers = rows["line"].to_pylist() + set_aside["line"].to_pylist()
        assert len(set(numbers)) == lines
        return Delivery(input=pieces[0].input, rows=rows, set_aside=set_aside, lines=lines)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "landing").mkdir()
    return Desk(tmp_path)


@pytest.fixture
def column() -> Callable[[pa.Table, str], list[object]]:
    return lambda table, name: table[name].to_pylist()
