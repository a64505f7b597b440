"""Routing as its page shows it: tables, drawers, and decisions told to people."""
