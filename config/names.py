"""What a replica and its present life are called: `serve` gives both to its workers; alone, a process is its own."""

import os
import secrets
import socket


def replica_name() -> str:
    """This replica's name."""
    return os.environ.get("SWITCHBOARD_REPLICA") or f"{socket.gethostname()}-{secrets.token_hex(3)}"


def run_name() -> str:
    """The name of this life of the replica: counters never go down in it."""
    return os.environ.get("SWITCHBOARD_RUN") or secrets.token_hex(8)
