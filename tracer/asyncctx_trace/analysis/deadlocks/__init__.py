"""Tasks that wait for each other, or could."""
