"""What would happen: documents and runs without a call, agents that are not registered yet."""
