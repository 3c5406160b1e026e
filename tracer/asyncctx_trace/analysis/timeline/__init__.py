"""Every acquisition of a program in columns."""
