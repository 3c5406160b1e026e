"""The screens of the app, and their key bindings."""
