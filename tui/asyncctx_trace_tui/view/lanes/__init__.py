"""Tasks arranged in lanes: their tracks, groups of tasks, and the order of the lanes."""
