"""An agent as its pages show it: its frame, figures, functions, and what leads to it."""
