"""Who held, who waited, who kept whom waiting, for how long."""
