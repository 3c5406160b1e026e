"""Turn recording on and off in this process, its forks and launched programs."""
