"""The composition root: processes, settings, the ASGI application."""
