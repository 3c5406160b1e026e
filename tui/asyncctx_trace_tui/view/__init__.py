"""Everything that is drawn and played, without Textual."""
