"""Facts <-> file.

==========  =====================================================================
room        what it is
==========  =====================================================================
format      the layout of an ``.actx`` file, byte by byte
segments    hands out pieces of the file, each to one process
writer      the sink that writes facts, in the program's own task
reader      the file as events: finished, growing, or left by a killed program
==========  =====================================================================
"""
