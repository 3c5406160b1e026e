"""Where files of the terminal side lie and how they are written."""
