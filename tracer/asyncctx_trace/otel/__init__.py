"""Events -> OpenTelemetry spans and metrics, in the program's own process."""
