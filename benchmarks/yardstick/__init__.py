"""Other projects' own test suites, run with and without us and compared test by test."""
