"""Reports: all answers about one recording, grouped and judged."""
