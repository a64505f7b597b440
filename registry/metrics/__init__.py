"""/metrics: what the workers of a replica have answered, and how they are."""
