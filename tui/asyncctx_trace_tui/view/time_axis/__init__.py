"""The axis of time: the visible window, its ticks, and the play head."""
