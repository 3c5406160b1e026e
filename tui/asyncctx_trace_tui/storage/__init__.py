"""Files of the terminal side: where they are, and how they are written."""
