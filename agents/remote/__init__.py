"""Remote agents: SWML servers elsewhere, asked on the caller's behalf, whose addresses never show."""
