"""What is registered, and who answers."""
