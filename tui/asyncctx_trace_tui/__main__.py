"""``python -m asyncctx_trace_tui``: the command line."""

from asyncctx_trace_tui.cli import main

main()
