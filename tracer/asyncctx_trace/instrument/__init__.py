"""``async with`` -> facts: everything that sits between the program and whoever listens.

=================  ==============================================================
room               what it is
=================  ==============================================================
hub                hands each fact to the sinks that listen, and survives them
lifecycle          the four moments of an acquisition, in the task that lives them
_native          the same for what goes well, compiled, with the marks
tasks              which task runs now
resources          what a manager stands for
adapters           the table of managers known by name
sites              where in the source an ``async with`` stands
invisible          keeps our frames out of tracebacks, stacks and warnings
-----------------  --------------------------------------------------------------
traced             the words ``traced`` and ``untraced``
manager            the proxy around one manager
classes            a class whose objects are traced, in place
careful            the awaits of both
-----------------  --------------------------------------------------------------
switch             the words ``install`` and ``uninstall``
installing         turns the following on and off
scope              which files are the program's own
settings           what ``pyproject.toml`` says of that
program            rewrites the program's code objects
constants          the same for a module that the interpreter runs by itself
rewriting          puts marks around each ``async with``
marks              what they do
operations         the table of functions in others' libraries that are operated on
surgery            how
stacks             acquisitions through an exit stack
pairs              acquisitions by ``acquire()`` and ``release()``
bytecode           a code object taken apart and put together
=================  ==============================================================

Nothing here knows of recordings or spans: facts go to a :class:`~.hub.Sink`.
"""
