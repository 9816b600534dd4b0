"""Telemetry: what running programs say of themselves by OpenTelemetry, received, added up and kept."""
