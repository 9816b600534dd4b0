"""A program with the OpenTelemetry SDK and its exporter, set up by nothing but OTEL_* variables."""

import logging
from contextlib import suppress

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

tracers, loggers = TracerProvider(), LoggerProvider()
tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
trace.set_tracer_provider(tracers)
metrics.set_meter_provider(meters)
logging.getLogger().addHandler(LoggingHandler(logger_provider=loggers))

meter, tracer = metrics.get_meter("test"), trace.get_tracer("test")
steps = meter.create_counter("steps")
for fold in range(3):
    steps.add(10, {"fold": fold})
loss = meter.create_gauge("loss")
for value in (0.5, 0.25):
    loss.set(value)
seconds = meter.create_histogram("step.seconds", unit="s")
for value in (1, 2, 5):
    seconds.record(value)
for _ in range(2):
    with suppress(ValueError), tracer.start_as_current_span("epoch"), tracer.start_as_current_span("step"):
        int("no such row")
try:
    {}["logged"]
except KeyError:
    logging.exception("cannot go on")
for provider in (tracers, meters, loggers):
    assert provider.force_flush()
    provider.shutdown()
