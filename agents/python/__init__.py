"""Python agents: each runs in agent hosts, processes of its own that a serving process owns."""
