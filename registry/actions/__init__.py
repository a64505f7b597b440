"""Every act that changes what is registered: a module a noun, one atomic function a verb.

Each takes the advisory lock first of all, checks, writes, and leaves audit rows that name the actor. What is refused
raises a `RegistryError` and has changed nothing.
"""
