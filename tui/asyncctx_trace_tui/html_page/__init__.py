"""A recording as one HTML page that loads nothing else."""
