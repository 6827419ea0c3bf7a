"""Excel and OpenDocument tables to pieces.

Belongs here: sheets, cells and their spelling as text. Does not belong here: any other format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from emma_platform.sources.piece import Opened, Piece
from emma_platform.sources.protocol import SourceError

if TYPE_CHECKING:
    from python_calamine import CalamineSheet

_ROWS_A_PIECE = 50_000


def open_workbook(path: Path, *, name: str, sheet: str | None) -> Opened:
    """The table of one sheet: its first row that is not empty is the header; empty rows are no rows.

    Args:
        path: the file, whatever its ending.
        name: its name, for errors.
        sheet: the sheet's name or its number from 1; the first sheet by default.

    Raises:
        SourceError: it is no such file, is protected by a password, or has no such sheet.
    """
    table = _sheet(path, name, sheet)
    rows = enumerate(table.iter_rows(), start=1)
    header_line, header = next(((line, row) for line, row in rows if _filled(row)), (0, []))
    if not header:
        raise SourceError(f"{name}: sheet {table.name!r} is empty. Set sheet in sources.yaml to the one with the data.")
    names = tuple((cell_text(cell) or "").strip() for cell in header)

    def pieces(wanted: Sequence[str]) -> Iterator[Piece]:
        numbered = ((line, row) for line, row in enumerate(table.iter_rows(), start=1) if line > header_line)
        filled = ((line, row) for line, row in numbered if _filled(row))
        while True:
            part = list(islice(filled, _ROWS_A_PIECE))
            positions = {column: names.index(column) for column in wanted}
            columns: dict[str, pa.Array[Any]] = {
                column: pa.array([cell_text(row[at]) for _, row in part], pa.string())
                for column, at in positions.items()
            }
            yield Piece(columns, pa.array(np.array([line for line, _ in part], np.int64)))
            if len(part) < _ROWS_A_PIECE:
                return

    return Opened(names, pieces)


def _sheet(path: Path, name: str, sheet: str | None) -> CalamineSheet:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    try:
        with path.open("rb") as file:
            book = CalamineWorkbook.from_filelike(file)
    except PasswordError as error:
        raise SourceError(f"{name} is protected by a password. Save it without one.") from error
    except (CalamineError, ValueError) as error:
        raise SourceError(f"{name} is no Excel file ({error}). Save it as .xlsx or .csv.") from error
    names = book.sheet_names
    if sheet is None:
        chosen = names[0]
    elif sheet in names:
        chosen = sheet
    elif sheet.isdecimal() and 1 <= int(sheet) <= len(names):
        chosen = names[int(sheet) - 1]
    else:
        raise SourceError(f"{name} has no sheet {sheet!r}. Set sheet in sources.yaml to one of {', '.join(names)}.")
    try:
        return book.get_sheet_by_name(chosen)
    except (CalamineError, ValueError) as error:
        raise SourceError(f"{name}: sheet {chosen!r} cannot be read ({error}). Save the file again.") from error


def _filled(row: Sequence[object]) -> bool:
    return any(cell != "" for cell in row)


def cell_text(cell: object) -> str | None:
    """A cell as text: whole numbers without a point, no exponents, dates and times as ISO 8601; empty is null."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else np.format_float_positional(cell, trim="-")
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).encode("utf-8", "replace").decode() or None
