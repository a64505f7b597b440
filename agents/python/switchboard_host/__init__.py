"""What runs inside agent hosts: the SDK, one agent, and nothing else of ours.

It is a package of its own name, imported by its path, so that an agent's modules may be called `agents` or `config`.
"""
