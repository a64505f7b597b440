"""The registry's commands: manage.py NAME."""
