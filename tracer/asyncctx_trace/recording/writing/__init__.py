"""Write events to a recording, in the traced program."""
