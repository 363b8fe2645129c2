"""What processes say while they work: readable lines or JSON ones, each with the id of the request it belongs to."""

import logging
from contextvars import ContextVar
from typing import Any, Literal

Format = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

READABLE = "%(asctime)s %(levelname)s %(name)s%(of_request)s: %(message)s"
QUIET = ("alembic", "faiss", "httpx", "httpcore")  # these say at INFO what nobody asked for


class OfRequest(logging.Filter):
    """Gives each record the id of the request that is being answered; it never drops one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add ``request_id`` where there is one."""
        found = request_id.get()
        record.of_request = f" [{found}]" if found else ""
        if found:
            record.request_id = found
        return True


class Readable(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__(READABLE)


def config(log_format: Format) -> dict[str, Any]:
    """Logging of a whole process, for ``dictConfig`` and for uvicorn: to standard error, from INFO on."""
    json = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": "%(levelname)s %(name)s %(message)s",
        "rename_fields": {"levelname": "level", "name": "logger"},
        "reserved_attrs": [*_standard(), "of_request", "color_message"],
        "timestamp": True,
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"of_request": {"()": OfRequest}},
        "formatters": {"lines": json if log_format == "json" else {"()": Readable}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines", "filters": ["of_request"]}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in QUIET},
    }


def _standard() -> list[str]:
    """Attributes that every record has, which the JSON formatter must not repeat as fields of their own."""
    return [*vars(logging.makeLogRecord({})), "asctime", "message"]
