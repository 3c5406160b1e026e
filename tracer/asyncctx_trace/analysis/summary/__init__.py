"""All answers about one recording, gathered, grouped and judged."""
