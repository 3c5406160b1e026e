"""How the spans of an acquisition are made: the strategies, and what they have in common."""
