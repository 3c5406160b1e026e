"""The terminal side of asyncctx-trace: the command line and the app.

It reads recordings and never imports the instrumentation. The packages, from the top down; each
may import only what is below it (checked by import-linter, see ``pyproject.toml``)::

    cli/          the command line: one module per subcommand
    app/          the Textual app
        application       the app over one recording
        gallery           the app that offers scenarios, recordings, scripts
        offscreen         a picture of a recording without a terminal
        screens/          the screen of a recording, its key bindings, the help
        widgets/bars/     the one-line widgets: title, views, time ruler, keys
        widgets/panes/    one module per view
    run/          start a traced program, show its deadlocks while it runs without the app
    reports/      text, JSON and Markdown
    view/         what the app shows, without Textual
        state             timeline, play head, viewport, selection
        lane_view/        the lines of the view of tasks, with marks and arrows
        resource_view/    the entries and lines of the view of resources
        tours/            walks through a recording, step by step; stories of scenarios
        results/          answers of analysis, computed at once or in the background
        descriptions/     what happens at a time, as sentences
        cells/            lanes drawn as terminal cells
        lanes/            the lanes of tasks: groups, packing, order
        tracks/           the time that tasks spend in each phase, for any slice of time
        time_axis/        the visible window, its ticks, the play head
    storage/      paths, settings, atomic writes
"""
