"""The live log as its pages show it: what an address asks for, rows, and one event in detail."""
