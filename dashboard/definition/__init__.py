"""The editor of definitions: a form and YAML, two views of one text."""
