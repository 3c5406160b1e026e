"""What other tools wrote, read as events."""
