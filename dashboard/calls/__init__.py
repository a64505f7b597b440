"""Calls as their pages show them: lines of the list, ids in addresses, the timeline of one."""
