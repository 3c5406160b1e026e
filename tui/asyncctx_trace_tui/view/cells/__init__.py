"""Lanes drawn as terminal cells: characters with a foreground and a background."""
