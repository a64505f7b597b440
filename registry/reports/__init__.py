"""Reads for people: lists, search, hits, what nobody has, traffic, the audit. Nothing here changes anything."""
