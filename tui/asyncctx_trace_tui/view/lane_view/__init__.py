"""The view of lanes: its lines, the marks on them, and the arrows over them."""
