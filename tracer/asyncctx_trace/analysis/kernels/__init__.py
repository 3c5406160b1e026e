"""The operations on columns that cost most, in plain Python and with numpy.

============== ==================================================================
module         content
============== ==================================================================
``protocol``   the operations, and what they need to know of a snapshot
``choice``     the choice between the implementations
``plain``      plain Python, without a dependency
``vectorized`` the same with numpy, for large recordings
``columns``    waits, holds and nestings in columns
``charges``    the paths along which waiting time is charged
``path_steps`` the steps of a critical path
============== ==================================================================

Both implementations return the same values, to the last ns. Each has one module for each group of
operations, of the same name.
"""
