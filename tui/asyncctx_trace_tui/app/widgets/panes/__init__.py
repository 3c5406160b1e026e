"""The panes of the trace screen, one per view."""
