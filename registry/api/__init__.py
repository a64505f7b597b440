"""The REST API at /api/v1, over the actions."""
