"""What the app shows, without Textual: state, playback, filters, lanes, cells, text."""
