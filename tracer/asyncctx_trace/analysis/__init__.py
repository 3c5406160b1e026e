"""Turn events into answers: pure functions, the same for a live program and for a file.

================ =============================================================
module           content, from top to bottom: each imports only what is below
================ =============================================================
``summary``      reports: groups of findings, verdict, budgets, comparison
``findings``     everything worth reporting, a module for each kind
``deadlocks``    tasks that wait for each other, or could
``contention``   what waiting cost, who caused it, what determined the duration
``endings``      the state of a program when it was interrupted
``cleanup``      the order, outcome and duration of exits
``retries``      failed enters that a later one made good
``snapshot``     a timeline at one time: the argument of every analysis
``occupancy``    how full a resource was over time
``kernels``      the most expensive operations, in plain Python and with numpy
``timeline``     all acquisitions in columns, grown as events arrive
``statistics``   percentiles of durations
``numpy_choice`` whether numpy is used
================ =============================================================
"""
