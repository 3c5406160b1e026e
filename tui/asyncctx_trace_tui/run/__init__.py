"""Start a traced program and look after it."""
