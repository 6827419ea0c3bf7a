"""Bytes to UTF-8: a file's text in blocks that end where lines end, whatever encoding it is in.

Belongs here: byte order marks, encodings that a file does not name, lines of two encodings in one file, lines that are
too long. Does not belong here: what the text means (`dialect`, `delimited`, `documents`).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emma_platform.sources.protocol import SourceError

_SAMPLE = 8192
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
_BINARY_SHARE = 0.02
_LATIN = ["cp1252", "cp1250"]
_OTHERS = ["cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "cp949", "cp874"]
_PLAUSIBLE = 0.2
"""charset-normalizer's chaos of text in the right encoding stays below this: 0.13 at most in twelve short texts; in
a wrong alphabet it was above 0.45."""
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read at once, and the longest line, both in bytes."""

    block_bytes: int
    max_line_bytes: int


def utf8_blocks(read: Callable[[int], bytes], *, name: str, encoding: str | None, limits: Limits) -> Iterator[bytes]:
    """The text of a file as UTF-8, in blocks that end where a line ends; the last may not. No byte order mark.

    Lines that are no UTF-8 are taken as the encoding that they look like when no other line beyond ASCII is UTF-8, else
    as cp1252. No byte sequence fails.

    Args:
        read: gives the next bytes, at most as many as it is told, none at the end.
        name: the file's name, for errors.
        encoding: what sources.yaml says, or none.
        limits: sizes.

    Raises:
        SourceError: it is no text, or a line is too long.
    """
    head = read(limits.block_bytes)
    wide = next((found for mark, found in _UTF16.items() if head.startswith(mark)), None)
    if encoding is None and wide is None:
        _refuse_binary(head[:_SAMPLE], name)
        head = head.removeprefix(codecs.BOM_UTF8)
        raw = _lines_whole(head, read, name, limits)
        yield from _decoded(raw)
        return
    chosen = wide or codecs.lookup(encoding or "utf-8").name
    decoder = codecs.getincrementaldecoder(chosen)(errors=_AS_CP1252)

    def transcoded(size: int) -> bytes:
        while piece := read(size):
            if text := decoder.decode(piece):
                return text.encode("utf-8", "replace")
        return decoder.decode(b"", final=True).encode("utf-8", "replace")

    first = decoder.decode(head).encode("utf-8", "replace").removeprefix(codecs.BOM_UTF8)
    yield from _lines_whole(first, transcoded, name, limits)


def line_error(name: str, line: int, limits: Limits) -> SourceError:
    """The error of a line that is too long."""
    return SourceError(
        f"{name}, line {line}: the line is longer than {limits.max_line_bytes:,} bytes. Split it, close the quote "
        "that was left open, or raise EMMA_MAX_LINE_MEGABYTES."
    )


def _refuse_binary(sample: bytes, name: str) -> None:
    if b"\x00" in sample or len(_CONTROLS.findall(sample)) > _BINARY_SHARE * len(sample):
        raise SourceError(
            f"{name} is not text. Save it as CSV in UTF-8, or give it the ending of what it is: .gz, .parquet or .xlsx."
        )


def _lines_whole(head: bytes, read: Callable[[int], bytes], name: str, limits: Limits) -> Iterator[bytes]:
    """Blocks cut after their last line end; what follows it is carried into the next block."""
    parts: list[bytes] = []
    size, lines, block = 0, 0, head
    while following := read(limits.block_bytes):
        cut = _last_line_end(block)
        if cut:
            whole = b"".join([*parts, block[:cut]]) if parts else block[:cut]
            lines += whole.count(b"\n")
            yield whole
            parts, size = [], 0
        parts.append(block[cut:])
        size += len(block) - cut
        if size > limits.max_line_bytes:
            raise line_error(name, lines + 1, limits)
        block = following
    if size or block:
        yield b"".join([*parts, block])


def _last_line_end(block: bytes) -> int:
    """The position after the last line end; a carriage return at the very end may be half of one and does not count."""
    return max(block.rfind(b"\n"), block.rfind(b"\r", 0, len(block) - 1) if b"\n" not in block else -1) + 1


def _decoded(blocks: Iterator[bytes]) -> Iterator[bytes]:
    legacy: str | None = None
    for block in blocks:
        if _is_utf8(block):
            if legacy is None and not block.isascii():
                legacy = "cp1252"
            yield block
            continue
        lines = block.split(b"\n")
        if legacy is None:
            foreign = [line for line in lines if not line.isascii()]
            legacy = "cp1252" if any(map(_is_utf8, foreign)) else _guess(b"\n".join(foreign)[:_SAMPLE])
        yield b"\n".join([line if _is_utf8(line) else _from_legacy(line, legacy) for line in lines])


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _from_legacy(line: bytes, legacy: str) -> bytes:
    try:
        return line.decode(legacy).encode()
    except UnicodeDecodeError:
        return line.decode("cp1252", _AS_CP1252).encode()


def _guess(sample: bytes) -> str:
    """The encoding of lines that are not UTF-8; cp1252 unless another one fits clearly better."""
    from charset_normalizer import from_bytes

    for candidates in (_LATIN, _OTHERS):
        best = from_bytes(sample, cp_isolation=candidates, threshold=_PLAUSIBLE).best()
        if best is not None:
            same = sample.decode("cp1252", "replace") == str(best)
            rivals = from_bytes(sample, cp_isolation=["cp1252"], threshold=_PLAUSIBLE) if candidates is _LATIN else ()
            tied = any(rival.chaos <= best.chaos and rival.coherence >= best.coherence for rival in rivals)
            return "cp1252" if same or tied else best.encoding
    return "cp1252"


_AS_CP1252 = "emma-cp1252"


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """What a decoder cannot read as cp1252, and the five bytes that cp1252 leaves open as Latin-1."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_one_byte(wrong[at : at + 1]) for at in range(len(wrong))), error.end


def _one_byte(byte: bytes) -> str:
    try:
        return byte.decode("cp1252")
    except UnicodeDecodeError:
        return byte.decode("latin-1")


codecs.register_error(_AS_CP1252, _as_cp1252)
