"""What every other package reads: events, outcomes, names, durations."""
