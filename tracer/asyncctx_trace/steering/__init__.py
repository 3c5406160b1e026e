"""Run a program on a chosen schedule: prolong its own suspensions, as an order file says."""
