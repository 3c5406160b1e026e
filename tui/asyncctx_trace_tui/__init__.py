"""The terminal side: the command line and the app.

A map of the package::

    commands/     one file per subcommand
    launcher      starts the traced program
    app           the Textual app over one recording
    gallery       the Textual app that offers scenarios, recordings, scripts
    snapshot      the app's picture without a terminal
    settings      what the app remembers
    screens/      what fills the terminal
    widgets/      what a screen is made of

Below the widgets nothing knows Textual::

    scene         what is looked at: play head, window, selection
    ordering      which lanes, in which order
    problems      the places to jump to
    chain         who waits for whom
    moment        what holds at a moment, in words
    filters       filter expressions
    drawing       a track as characters
    tracks        exact shares of waiting, holding, cleaning up
    units         who held which unit of a resource
    ruler         round times
    viewport      the arithmetic of zoom
    playback      the arithmetic of replayed time
"""
