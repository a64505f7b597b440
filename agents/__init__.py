"""What an agent answers. Knows no database (but models, fields and migrations), no route, no request of Django's."""
