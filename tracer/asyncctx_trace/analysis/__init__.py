"""Facts -> answers: pure functions, the same for a live program and for a file.

=============== =============================================================
module          what it is
=============== =============================================================
timeline        every acquisition in columns, grown as the events arrive
bulk            the same by whole columns at once
selection       the part of a recording between two moments
case            a timeline at one moment: what every question is asked of
occupancy       how full a resource was
holds waits     who held a resource, and when each task waited
contention      what each resource cost those who wanted it
blame           whom the waiters waited for
wakeups         whose exit let whom in
critical_path   what determined when the run ended
cleanup         in which order tasks cleaned up
mishaps         what went wrong first
deadlock        tasks that wait for each other in a ring
lock_order      locks taken in contrary orders
findings/       what is worth telling, a module a kind
causes          which findings follow from which
grouping        findings by their cause
resource_groups objects that are alike: one row for all of them
culprit         the place that kept the others waiting longest
verdict         a report in two sentences
budgets         limits that a run must keep
gates           what must not be found, and why a gate is shut
vectorised/     the same answers with numpy, where there are many
report          all of it about one recording
comparison      what became different from one recording to another
spread words    how durations are spread; how things are said
components      strongly connected components
=============== =============================================================
"""
