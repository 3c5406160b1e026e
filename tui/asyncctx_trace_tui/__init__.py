"""The terminal side: the command line and the app.

A map of the package::

    commands/     one file per subcommand
    launcher      starts the traced program
    app           the Textual app
    screens/      what fills the terminal
    widgets/      what a screen is made of
    viewport      the arithmetic of zoom; no Textual
    playback      the arithmetic of replayed time; no Textual
"""
