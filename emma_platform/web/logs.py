"""The web application's log: one JSON object a line, for programs to read.

Belongs here: which fields a line has and where lines go. Does not belong here: what people did to accounts and data
(the audit log, `auth`).

No line holds a path, a query string, a header or a body: whoever reads logs must not be able to sign in with them.
"""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from logging.config import dictConfig
from pathlib import Path

from emma_platform.web.watch import Answered

REQUESTS = logging.getLogger("emma_platform.web.requests")
UNLOGGED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; they are counted, not written down."""


class JsonLine(logging.Formatter):
    """A record as one line of JSON; whatever a record has under `fields` stands beside time, level and message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.process,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def write(answered: Answered) -> None:
    """Write a request down."""
    if answered.route in UNLOGGED:
        return
    REQUESTS.info(
        "request",
        extra={
            "fields": {
                "method": answered.method,
                "route": answered.route,
                "status": answered.status,
                "ms": round(1000 * answered.seconds, 2),
                "user": answered.user,
                "publication": answered.publication,
            }
        },
    )


def configure(to: Path | None) -> None:
    """Send requests, and the server's own warnings and errors, to a file, or to stderr.

    Each process appends whole lines, so that several may share the file.
    """
    handler: dict[str, object] = {"formatter": "json"}
    if to is None:
        handler |= {"class": "logging.StreamHandler"}
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        # Routes and user numbers are nobody else's business on a shared machine.
        os.close(os.open(to, os.O_CREAT | os.O_APPEND, 0o600))
        handler |= {"class": "logging.handlers.WatchedFileHandler", "filename": str(to), "encoding": "utf-8"}
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLine}},
            "handlers": {"lines": handler},
            "loggers": {
                "emma_platform.web": {"handlers": ["lines"], "level": "INFO", "propagate": False},
                "uvicorn": {"handlers": ["lines"], "level": "WARNING", "propagate": False},
            },
        }
    )
