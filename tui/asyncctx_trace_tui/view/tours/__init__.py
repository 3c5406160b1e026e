"""Walks through a recording with the play head, and the stories of scenarios."""
