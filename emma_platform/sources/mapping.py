"""`sources.yaml`: how files that do not use the canonical names are read.

Belongs here: the entries, their strict validation, which entry a file's path matches and the digest of an entry.
Does not belong here: the header of any one file (`header`) and its bytes (`tabular`).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from emma_platform.model.tables import INPUT_COLUMNS
from emma_platform.sources.protocol import SourceError
from emma_platform.sources.times import known_zone

_TABS = ("\\t", "tab")
_TEXT_KEYS = ("date_format", "time_zone", "decimal_mark", "sheet", "delimiter", "encoding")
_KEYS = ("pattern", "table", "columns", "constants", *_TEXT_KEYS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of `sources.yaml`; `columns` and `constants` are keyed by the canonical column."""

    pattern: str
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    time_zone: str | None = None
    decimal_mark: str | None = None
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None

    def digest(self) -> str:
        """A digest of all that the entry says, but for its pattern."""
        said = {key: value for key, value in asdict(self).items() if key != "pattern"}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Mapped:
    """The entries of one `sources.yaml`, in order."""

    entries: tuple[tuple[re.Pattern[str], Entry], ...] = ()

    def entry(self, name: str) -> Entry | None:
        """The first entry whose pattern matches the file's path below landing, or none."""
        for pattern, entry in self.entries:
            if pattern.match(name):
                return entry
        return None


def read_mapping(path: Path) -> Mapped:
    """The entries of `sources.yaml`; none when there is no such file. Every scalar is text, so `001` stays `001`.

    Raises:
        SourceError: the file is not what the documentation says; names the entry and the remedy.
    """
    try:
        loaded = yaml.load(path.read_text("utf-8-sig"), Loader=yaml.BaseLoader)  # noqa: S506 - makes only text, lists and dicts
    except FileNotFoundError:
        return Mapped()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} cannot be read ({error}). Save it as UTF-8 and make it readable.") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise SourceError(f"{path.name} is no valid YAML: {where}. Correct the line that it names.") from error
    if loaded in (None, ""):
        return Mapped()
    if not isinstance(loaded, list):
        raise SourceError(f'{path.name} must be a list. Begin each entry with "- pattern:".')
    entries = [_entry(item, path.name, number) for number, item in enumerate(loaded, start=1)]
    return Mapped(tuple((re.compile(_regex(entry.pattern)), entry) for entry in entries))


def _entry(item: object, file: str, number: int) -> Entry:
    pattern = item.get("pattern") if isinstance(item, dict) else None
    where = f"{file}, entry {number}" + (f" (pattern {pattern!r})" if isinstance(pattern, str) else "")
    if not isinstance(item, dict):
        raise SourceError(f'{where} must be a mapping. Write "- pattern: …" and "table: …" below it.')
    unknown = [str(key) for key in item if key not in _KEYS]
    if unknown:
        raise SourceError(f"{where}: unknown key {', '.join(unknown)}. Use {', '.join(_KEYS)}.")
    texts = {key: _text(item, key, where) for key in ("pattern", "table", *_TEXT_KEYS)}
    table = texts["table"]
    if not pattern:
        raise SourceError(f'{where}: no pattern. Add one, such as pattern: "*.csv".')
    if table not in INPUT_COLUMNS:
        raise SourceError(f"{where}: table is {table!r}. Set it to one of {', '.join(INPUT_COLUMNS)}.")
    columns = _columns(item, "columns", table, where)
    constants = _columns(item, "constants", table, where)
    both = sorted(set(columns) & set(constants))
    if both:
        raise SourceError(f"{where}: {', '.join(both)} is in columns and in constants. Remove it from one of them.")
    options = {key: value for key in _TEXT_KEYS if (value := texts[key]) is not None}
    if options.get("delimiter") in _TABS:
        options["delimiter"] = "\t"
    _check_options(options, where)
    return Entry(pattern=pattern, table=table, columns=columns, constants=constants, **options)


def _text(item: Mapping[str, object], key: str, where: str) -> str | None:
    value = item.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise SourceError(f"{where}: {key} must be text. Write {key}: and one value, in quotes if it is a sign.")
    return value


def _columns(item: Mapping[str, object], key: str, table: str, where: str) -> dict[str, str]:
    value = item.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(theirs, str) and theirs for theirs in value.values()):
        raise SourceError(f"{where}: {key} must map a column to a text. Write {key}: {{store: …}}.")
    required, optional = INPUT_COLUMNS[table]
    unknown = [str(name) for name in value if name not in required + optional]
    if unknown:
        columns = ", ".join(required + optional)
        raise SourceError(f"{where}: {key} names {', '.join(unknown)}. The columns of {table} are {columns}.")
    return value


def _check_options(options: Mapping[str, str], where: str) -> None:
    mark, delimiter = options.get("decimal_mark"), options.get("delimiter")
    if mark not in (None, ".", ","):
        raise SourceError(f'{where}: decimal_mark is {mark!r}. Set it to "." or ",".')
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n'):
        raise SourceError(f"{where}: delimiter is {delimiter!r}. Set it to one sign, such as ';', or to tab.")
    zone, date_format, encoding = options.get("time_zone"), options.get("date_format"), options.get("encoding")
    if zone is not None and not known_zone(zone):
        raise SourceError(f"{where}: time_zone {zone!r} is unknown. Use a name such as Europe/Berlin.")
    if date_format is not None and "%" not in date_format:
        raise SourceError(f'{where}: date_format is {date_format!r}. Write it as for strptime: "%d.%m.%Y %H:%M".')
    if encoding is not None and not _is_text_encoding(encoding):
        raise SourceError(f"{where}: encoding {encoding!r} is unknown. Use a name such as utf-8, cp1252 or cp850.")


def _is_text_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
        return isinstance(b"a".decode(name, "ignore"), str)
    except (LookupError, UnicodeError):
        return False


def _regex(pattern: str) -> str:
    """The pattern as a regular expression: as `fnmatch`, where `*` crosses folders; `**/` is any number of folders."""
    regex, position = "", 0
    while position < len(pattern):
        sign = pattern[position]
        end = pattern.find("]", position + 2) if sign == "[" else -1
        if pattern.startswith("**/", position):
            regex, position = regex + "(?:.*/)?", position + 3
        elif end > 0:
            body = pattern[position + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            body = f"^{body[1:]}" if body[0] == "!" else body.replace("^", "\\^", 1) if body[0] == "^" else body
            regex, position = regex + f"[{body}]", end + 1
        else:
            regex, position = regex + {"*": ".*", "?": "."}.get(sign, re.escape(sign)), position + 1
    return f"(?s:{regex})\\Z"
