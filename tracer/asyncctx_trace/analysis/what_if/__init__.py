"""What a recorded program would do with one thing changed: a capacity, a hold time, a lock less."""
