"""Look at, and record, a program that is running already."""
