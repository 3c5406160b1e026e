"""The view of resources: its entries, and the lines of each."""
