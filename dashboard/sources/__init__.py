"""Python and remote agents in forms and on pages: what is typed of them, and what was seen."""
