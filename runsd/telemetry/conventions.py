"""The names of OpenTelemetry's semantic conventions that are understood here, present and former. Pure.

Sources: docs/gen-ai/ of open-telemetry/semantic-conventions-genai (gen-ai-spans, gen-ai-metrics, and what
replaces them: client-inference, client-embeddings, gen-ai-token-metrics); docs/exceptions/ of
open-telemetry/semantic-conventions; what opentelemetry-instrumentation-openai-v2 2.4b0 sends.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from runsd.telemetry.facts import Point

OPERATION = "gen_ai.operation.name"
INFERENCE: Final = frozenset({"chat", "text_completion", "generate_content", "embeddings"})
"""Operations that reach a model. Agents, workflows and tools contain such, and are not counted themselves."""

# Before there were operation names, OpenLLMetry said (its semantic-conventions-ai package): llm.request.type.
_FORMER_OPERATION = "llm.request.type"
_FORMER_OPERATIONS: Final = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"}

TOKENS_IN: Final = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
TOKENS_OUT: Final = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
"""Attributes of a span; the second of each was replaced by the first."""
OF_CALLS: Final = frozenset({OPERATION, _FORMER_OPERATION, *TOKENS_IN, *TOKENS_OUT})

TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - no password
_TYPES_IN: Final = frozenset({"input", "prompt"})
_TYPES_OUT: Final = frozenset({"output", "completion"})

EXCEPTION_EVENT = "exception"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
OF_EXCEPTIONS: Final = frozenset({EXCEPTION_TYPE, EXCEPTION_MESSAGE, EXCEPTION_STACKTRACE})

PROCESS: Final = ("service.instance.id",), ("host.name", "process.pid"), ("service.namespace", "service.name")
"""Attributes of a resource that tell one process from another, the surest first (docs/resource/README.md)."""


class Told(StrEnum):
    """What a metric tells of GenAI calls."""

    REQUESTS = "requests"
    TOKENS_IN = "tokens in"
    TOKENS_OUT = "tokens out"


_DURATION = "gen_ai.client.operation.duration"
_USAGE = "gen_ai.client.token.usage"
# The new names of what the two above told of everything: one for each kind of call.
_NEW: Final[Mapping[str, tuple[Told, str]]] = {
    "gen_ai.client.inference.duration": (Told.REQUESTS, "inference"),
    "gen_ai.client.embeddings.duration": (Told.REQUESTS, "embeddings"),
    "gen_ai.client.inference.usage.input_tokens": (Told.TOKENS_IN, "inference"),
    "gen_ai.client.inference.usage.output_tokens": (Told.TOKENS_OUT, "inference"),
    "gen_ai.client.embeddings.operation.input_tokens": (Told.TOKENS_IN, "embeddings"),
}
GENAI_METRICS: Final = frozenset({_DURATION, _USAGE, *_NEW})

_INTERNAL_SPAN, _CLIENT_SPAN = 1, 3
_ASKS: Final = frozenset({0, _INTERNAL_SPAN, _CLIENT_SPAN})
"""Kinds of spans by whom is asked; a server's tells of the same call once more."""


def inference(attributes: Mapping[str, Any], kind: int) -> str | None:
    """Return the operation of a span that is a call of a model, seen by who calls."""
    if kind not in _ASKS:
        return None
    operation = attributes.get(OPERATION)
    if operation is None:
        operation = _FORMER_OPERATIONS.get(str(attributes.get(_FORMER_OPERATION)))
    return str(operation) if operation in INFERENCE else None


def told(point: Point) -> tuple[Told, str, bool] | None:
    """Return what a point tells of GenAI calls, of which kind of call, and if by a new name; or None."""
    if point.name in _NEW:
        what, family = _NEW[point.name]
        return what, family, True
    if point.name not in GENAI_METRICS:
        return None
    attributes = dict(point.attributes)
    operation = attributes.get(OPERATION, "chat")
    if operation not in INFERENCE:
        return None
    family = "embeddings" if operation == "embeddings" else "inference"
    if point.name == _DURATION:
        return Told.REQUESTS, family, False
    kind = attributes.get(TOKEN_TYPE)
    if kind in _TYPES_IN:
        return Told.TOKENS_IN, family, False
    return (Told.TOKENS_OUT, family, False) if kind in _TYPES_OUT else None
