"""Turn ``async with`` into events: everything between the program and the sinks.

=====================  ==============================================================
module                 what it is for
=====================  ==============================================================
api                    the public functions ``install`` and ``uninstall``
sinks                  deliver each event to the attached sinks
publish                publish the events of an acquisition in the task that makes it
acceleration           bind the C implementation, whose sources are in ``native/``
hidden_frames          keep frames of this package out of tracebacks and stacks
scope  settings        which files are traced, and what ``pyproject.toml`` says of it
span_scope             which acquisitions may become spans of the program's telemetry
---------------------  --------------------------------------------------------------
registry/              tasks, resources, sites, classes, and what is still open
adapters/              the classes of managers that are known, by family of libraries
wrapping/              ``traced`` and ``untraced``: proxies, classes, awaitables
rewriting/             hooks in code objects, from bytecode to the import system
patches/               changed functions of other libraries, one concern a module
=====================  ==============================================================

Nothing here knows recordings or spans: events go to a :class:`~.sinks.Sink`.
"""
