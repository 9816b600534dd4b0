"""A program that asks a model by the OpenAI client, instrumented, in each way that there is.

With "other" in a second process too, which tells it by the newer conventions.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress

from openai import AsyncOpenAI, BadRequestError, OpenAI
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url, *how = sys.argv[1:]
tracers = TracerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(tracers)
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
metrics.set_meter_provider(meters)
OpenAIInstrumentor().instrument()

newer = {**os.environ, "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
other = subprocess.Popen([sys.executable, __file__, url, "streams"], env=newer) if "other" in how else None
messages = [{"role": "user", "content": "How much is it?"}]
with (
    OpenAI(base_url=url, api_key="none", max_retries=0) as client,
    trace.get_tracer("agents").start_as_current_span(
        "invoke_agent tester",
        attributes={
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.usage.input_tokens": 1_000_000,
            "gen_ai.usage.output_tokens": 1_000_000,
        },
    ),
):
    for _ in range(5):
        client.chat.completions.create(model="m", messages=messages)
    client.embeddings.create(model="e", input="How much is it?")
    if "streams" in how:
        told = {"stream": True, "stream_options": {"include_usage": True}}
        list(client.chat.completions.create(model="m", messages=messages, **told))
    with suppress(BadRequestError):
        client.chat.completions.create(model="broken", messages=messages)


async def ask_at_once() -> None:
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        await asyncio.gather(
            *(client.chat.completions.create(model="m", messages=messages) for _ in range(7))
        )


asyncio.run(ask_at_once())
tracers.shutdown()
meters.shutdown()
if other is not None:
    sys.exit(other.wait())
