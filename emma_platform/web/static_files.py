"""Style sheet, scripts and pictures: read once, kept compressed, named by their content.

Belongs here: serving the files of `static/`. Does not belong here: what they say, and pages (`rendering`).
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
"""For an address that names the content: another content has another address."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent."""

    content: bytes
    compressed: bytes
    kind: str
    digest: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Every file of the folder, by its path below it."""
    return {
        path.relative_to(FOLDER).as_posix(): _read(path)
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in {".css", ".js", ".svg", ".txt"}
    }


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = mimetypes.types_map.get(path.suffix, "text/plain")
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return StaticFile(content, gzip.compress(content, 9, mtime=0), kind, hashlib.sha256(content).hexdigest()[:12])


def address(name: str) -> str:
    """The address of a static file: it changes when the content does.

    Raises:
        KeyError: there is no such file.
    """
    return f"/static/{name}?{static_files()[name].digest}"


@router.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """A static file; nothing in it is secret, so that the sign-in page can use it."""
    file = static_files().get(name)
    if file is None:
        raise HTTPException(404)
    headers = {
        "ETag": f'"{file.digest}"',
        "Cache-Control": FOREVER if request.url.query == file.digest else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, media_type=file.kind, headers=headers | {"Content-Encoding": "gzip"})
    return Response(file.content, media_type=file.kind, headers=headers)
