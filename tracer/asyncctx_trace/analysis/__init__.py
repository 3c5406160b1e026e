"""Facts -> answers: pure functions, the same for a live program and for a file."""
