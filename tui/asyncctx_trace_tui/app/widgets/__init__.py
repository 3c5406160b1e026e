"""The widgets of the trace screen."""
