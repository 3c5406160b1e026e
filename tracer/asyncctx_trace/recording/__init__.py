"""Writes events to a file, and reads them from it.

==================  ==============================================================
module              purpose
==================  ==============================================================
format              the layout of an ``.actx`` file
text_entries        definitions and notes as JSON in a segment
record_columns      the fields of many records, column by column
validation          checks what a file contains
regular_file        opens files that are safe to read
writing             in the traced program:
  segments          assigns segments of the file, each to one process
  page_guard        lets a program survive the truncation of its recording
  append            writes records to a page, in the program's own task
  writer            the sink: definitions, errors, and the next page
  ring              the sink that keeps only the newest part
  retention         how much that is
  redaction         removes what may be secret
  source_digest     recognizes source files that have changed since
_native             ``append`` and ``page_guard`` in C
reading             in the viewer:
  process_state     what a reader knows of a process that writes
  decode            records as events
  batch             what one read of a recording returned
  reader            reads finished, growing and abandoned recordings
==================  ==============================================================
"""
