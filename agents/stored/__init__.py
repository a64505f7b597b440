"""Agents that are built here: their functions, arguments and checks, and the version that answers."""
