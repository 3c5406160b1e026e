"""What tasks wait for besides managers, and event loops that stand still."""
