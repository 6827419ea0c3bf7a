"""Numbers as files write them: the decimal mark of a file, and numbers read under it.

Belongs here: what tells `1,99` from `1,999`, and text to decimals, in columns. Does not belong here: the numbers
of sales, which stay text until `transforms` cleans them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from emma_platform.sources.columns import compute as pc


def _deciding(mark: str, group: str) -> str:
    """Values that can be read with this decimal mark only: `1,9`, `0,125`, `1234,567`, `1.234,56` and `1.234.567`."""
    m, g = re.escape(mark), re.escape(group)
    forms = (
        rf"\d*{m}\d{{1,2}}",
        rf"\d*{m}\d{{4,}}",
        rf"0*{m}\d+",
        rf"\d{{4,}}{m}\d+",
        rf"\d{{1,3}}(?:{g}\d{{3}})+{m}\d*",
        rf"\d{{1,3}}(?:{g}\d{{3}}){{2,}}",
    )
    return rf"^[^0-9.,]*(?:{'|'.join(forms)})[^0-9.,]*$"


_COMMA_DECIDES, _DOT_DECIDES = _deciding(",", "."), _deciding(".", ",")
_GROUPED = r"^([+-]?\d{1,3})((?:[%s]\d{3})+)(%s\d*)?$"
_SPACES = r"\s'\x{a0}\x{202f}"
_PLAIN = r"^[+-]?(?:\d{1,20}(?:\.\d*)?|\.\d+)$"
_WIDE = pa.decimal128(38, 15)


@dataclass(frozen=True, slots=True)
class MarkEvidence:
    """What a file's numbers say about its decimal mark.

    Attributes:
        comma, dot: values that can be read with that mark only.
        with_comma, with_dot: values in which the sign stands at all.
    """

    comma: int = 0
    dot: int = 0
    with_comma: int = 0
    with_dot: int = 0

    def __add__(self, other: MarkEvidence) -> MarkEvidence:
        return MarkEvidence(
            self.comma + other.comma,
            self.dot + other.dot,
            self.with_comma + other.with_comma,
            self.with_dot + other.with_dot,
        )

    @property
    def open(self) -> bool:
        """No value decides."""
        return self.comma == self.dot

    def mark(self) -> str:
        """The decimal mark: of the majority of the values that decide; else a comma where only commas are used."""
        if self.comma != self.dot:
            return "," if self.comma > self.dot else "."
        return "," if self.with_comma and not self.with_dot else "."


def mark_evidence(columns: Sequence[pa.Array[Any]]) -> MarkEvidence:
    """What the numeric columns of a file say about its decimal mark."""
    text = columns[0] if len(columns) == 1 else pa.concat_arrays(columns)
    dots = pc.count_substring(text, ".")
    with_comma, with_dot, most = _count(pc.match_substring(text, ",")), _count(dots), pc.max(dots).as_py() or 0
    if not with_comma and most < 2:  # noqa: PLR2004 - the usual file
        return MarkEvidence(dot=_count(pc.match_substring_regex(pc.unique(text), _DOT_DECIDES)), with_dot=with_dot)
    distinct = pc.unique(text)
    comma, dot = (_count(pc.match_substring_regex(distinct, form)) for form in (_COMMA_DECIDES, _DOT_DECIDES))
    return MarkEvidence(comma, dot, with_comma, with_dot)


def _count(flags: pa.Array[Any]) -> int:
    return int(pc.sum(flags).as_py() or 0)


def read_decimals(
    text: pa.Array[Any],
    mark: str,
    kind: Any,  # noqa: ANN401 - any decimal type
) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Decimals from text under a decimal mark; groups of three digits may stand apart.

    Args:
        text: the numbers; null stays null.
        mark: `.` or `,`.
        kind: a decimal type; digits beyond its scale are rounded half away from zero.

    Returns:
        The decimals, and flags of the values that are text but no number of that type.
    """
    text = pc.utf8_trim_whitespace(text)
    other, form = ("," if mark == "." else "."), "\\." if mark == "." else ","
    plain = text
    grouped = pc.match_substring_regex(text, _GROUPED % (_SPACES + other, form))
    if pc.any(grouped).as_py():
        plain = pc.if_else(grouped, pc.replace_substring_regex(text, f"[{_SPACES}{other}]", ""), text)
    if mark == ",":
        plain = pc.if_else(pc.match_substring(plain, "."), "", pc.replace_substring(plain, ",", "."))
    plain = pc.replace_substring_regex(plain, r"(\.\d{15})\d+$", r"\1")
    fits = pc.match_substring_regex(plain, _PLAIN)
    wide = pc.cast(pc.if_else(fits, plain, pa.scalar(None, pa.string())), _WIDE)
    rounded = pc.round(wide, ndigits=kind.scale, round_mode="half_towards_infinity")
    limit = pa.scalar(10 ** (kind.precision - kind.scale), pa.int64()).cast(_WIDE)
    fits = pc.and_(fits, pc.less(pc.abs(rounded), limit))
    values = pc.cast(pc.if_else(fits, rounded, pa.scalar(None, rounded.type)), kind)
    return values, pc.fill_null(pc.invert(fits), pc.is_valid(text))
