"""Read events from a recording, finished or growing."""
