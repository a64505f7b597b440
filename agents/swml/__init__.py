"""SWML as the SDK's own schema.json has it, and what is wrong with a verb or a document."""
