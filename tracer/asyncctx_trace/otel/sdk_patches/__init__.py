"""What is patched in the OpenTelemetry SDK: providers, and the encoder of the exporter."""
