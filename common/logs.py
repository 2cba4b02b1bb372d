"""Logs: one JSON object a line on standard output, the lines of libraries in the same form."""

import logging
import sys
import traceback
from collections.abc import Sequence

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# These write addresses with their query strings, or what a client sent, at the level of information.
_TALKATIVE_LIBRARIES = (
    "httpx",
    "httpcore",
    "aiohttp.access",
    "aiohttp.internal",
    "alembic",
    "sqlalchemy.engine",
    "asyncio",
)


def configure_logs(*, debug: bool) -> None:
    """Set up structlog and the standard library's logging for this process."""
    level = logging.DEBUG if debug else logging.INFO
    shared: Sequence[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _frames_without_text,
    ]
    structlog.configure(
        # Straight to the stream: the way through the standard library was a fifth of what a request costs.
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)


def _json(event: EventDict, **_options: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


def _frames_without_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and its lines of code: its text may quote a token or a cookie."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if isinstance(error, tuple) and error[0] is not None:
        event["error"] = error[0].__name__
        event["frames"] = traceback.format_tb(error[2])
    return event
