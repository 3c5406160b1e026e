"""Recorded events as spans, and spans of any tool as events; no OpenTelemetry SDK."""
