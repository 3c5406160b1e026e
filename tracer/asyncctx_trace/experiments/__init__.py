"""Run a recorded program again, steered by what was recorded, and judge what happens."""
