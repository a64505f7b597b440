"""What stands for the public address and the credentials in what an agent renders, until the worker puts its own."""

HOST = "agent-host.invalid"  # a name that never is one (RFC 2606, 2)
USER, PASSWORD = "switchboard", "placeholder"
