"""SWML: documents rendered and read, and what the SDK's own schema.json finds wrong with a verb."""
