"""What happens at a time or between two, as sentences."""
