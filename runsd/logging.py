"""The daemon's own log: one event a line, for people on a terminal and as JSON elsewhere."""

import logging
import sys

# structlog imports rich where it can, to print tracebacks in colour: 5 MiB that a daemon has no use for.
_IS_FIRST = not {"structlog", "rich"} & sys.modules.keys()
if _IS_FIRST:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _IS_FIRST:
    del sys.modules["rich"]


def configure(*, json: bool | None = None) -> None:
    """Send events to stderr; ``json`` None means: JSON unless stderr is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if as_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else structlog.processors.UnicodeDecoder(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
