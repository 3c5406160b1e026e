"""The terminal side: the command line and the app.

A map of the package::

    commands/     one file per subcommand
    launcher      starts the traced program
    headless      a traced program without the app
    reports/      answers -> text, JSON, Markdown
    app           the Textual app over one recording
    gallery       the Textual app that offers scenarios, recordings, scripts
    snapshot      the app's picture without a terminal
    settings      what the app remembers
    themes        its colours
    screens/      what fills the terminal
    widgets/      what a screen is made of

Below the widgets nothing knows Textual::

    scene         what is looked at: play head, window, selection
    answers       what analysis says of it, at once or worked out aside
    ordering      which lanes, in which order
    problems      the places to jump to
    chain         who waits for whom
    tables        the report's tables, to be sorted
    moment        what holds at a moment, in words
    marks         what happened between two marks
    filters       filter expressions
    drawing       a track as characters
    looks         which glyph and colours a column has
    overview      the whole run in a line
    presence      who is there at a moment
    tracks        exact shares of waiting, holding, cleaning up
    columns       the same, many columns at once
    units         who held which unit of a resource
    ruler         round times
    viewport      the arithmetic of zoom
    playback      the arithmetic of replayed time

Beside them::

    scenario      the bundled scenarios
    places        where our files lie
    listing       a script as it stands on the disk
    writing       files that are written as a whole or not at all
    aside         work in a thread that nobody waits for
    text  names   words
"""
