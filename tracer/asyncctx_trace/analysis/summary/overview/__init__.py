"""The first view of a recording: what is wrong, what it cost, what to do next, and how it is."""
