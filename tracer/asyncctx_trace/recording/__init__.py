"""Facts <-> file.

==========  =====================================================================
room        what it is
==========  =====================================================================
format      the layout of an ``.actx`` file, byte by byte
batch       what one look at a recording has brought, as records or as events
segments    hands out pieces of the file, each to one process
stamping    puts facts into the slots of a page, in the program's own task
_native   the same, compiled
writer      the sink: texts, and where the next page comes from
columns     a run of records column by column
bounded     the recorder of which only the newest part is kept
keep        how much that is
reader      the file as events: finished, growing, or left by a killed program
==========  =====================================================================
"""
