"""What a recording tells, one file a format."""
