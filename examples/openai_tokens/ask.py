"""Asks a model some questions by the OpenAI client, which OpenTelemetry's instrumentation watches."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

import stand_in
from openai import NotFoundError, OpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main(questions: list[str]) -> dict[str, int]:
    """Ask in each way that there is, and return what the model has counted."""
    with instrumented(), stand_in.serving() as model, OpenAI(base_url=model.url, api_key="none") as client:
        for question in questions:
            messages = [said(question)]
            client.chat.completions.create(model="parrot", messages=messages)
            stream = client.chat.completions.create(
                model="parrot", messages=messages, stream=True, stream_options={"include_usage": True}
            )
            for _ in stream:
                pass
            client.embeddings.create(model="parrot", input=question)
        with suppress(NotFoundError):
            client.chat.completions.create(model="dodo", messages=messages)
    return asdict(model.given)


def said(text: str) -> ChatCompletionUserMessageParam:
    return {"role": "user", "content": text}


@contextmanager
def instrumented() -> Iterator[None]:
    """Send what the client does to wherever the environment says: OTEL_EXPORTER_OTLP_ENDPOINT."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    OpenAIInstrumentor().instrument(tracer_provider=tracers)
    try:
        yield
    finally:
        tracers.shutdown()
