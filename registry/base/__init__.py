"""What would be the same in any program: texts, YAML, daemons, a watchdog, errors."""
