"""``async with`` -> facts: everything that sits between the program and whoever listens.

=================  ==============================================================
room               what it is
=================  ==============================================================
hub                hands each fact to the sinks that listen, and survives them
lifecycle          the four moments of an acquisition, in the task that lives them
tasks              which task runs now
resources          what a manager stands for
adapters           the table of managers known by name
sites              where in the source an ``async with`` stands
invisible          keeps our frames out of tracebacks and warnings
manager            the proxy around one manager
traced             the word ``traced``
=================  ==============================================================

Nothing here knows of recordings or spans: facts go to a :class:`~.hub.Sink`.
"""
