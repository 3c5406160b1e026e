"""The state of a program when it was interrupted."""
