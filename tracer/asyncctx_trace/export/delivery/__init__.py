"""Send spans to an endpoint."""
