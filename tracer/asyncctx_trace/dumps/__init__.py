"""Write the seconds around an event of a process that keeps a ring to a recording of its own."""
