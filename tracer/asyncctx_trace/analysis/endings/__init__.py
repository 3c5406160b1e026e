"""How a program and its recording ended, and what may be concluded then."""
