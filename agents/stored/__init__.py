"""Agents that are built here: their functions, arguments and checks, and a version that answers."""
