"""`manage.py export`: the whole registry as one document."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from registry.base.errors import Malformed
from registry.fleet import Document, export_document
from registry.management.command import RegistryCommand

STANDARD = "-"


class Command(RegistryCommand):
    """Write the fleet into a file."""

    help = "Write the whole registry as YAML, secrets as references: the same bytes as long as nothing changes."

    def arguments(self, parser: CommandParser) -> None:
        """[FILE]"""
        parser.add_argument("file", nargs="?", default=STANDARD, help="- or nothing: standard output")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        """Export. On standard output --json has the document itself, as JSON, which `apply` takes too."""
        document = export_document()
        for name, why in document.left_out.items():
            self.stderr.write(f"Left out: {name}, {why}")
        if options["file"] == STANDARD:
            if not self.quiet:
                self.stdout.write(document.as_yaml(), ending="")
            return document.as_plain()
        write(Path(options["file"]), document)
        self.say(f"{len(document.agents)} agents are in {options['file']}.")
        return {"file": options["file"], "agents": len(document.agents), "left_out": dict(document.left_out)}


def write(path: Path, document: Document) -> None:
    """Put the document in place of the file, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(document.as_yaml(), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise Malformed(f"{path} cannot be written: {error.strerror}") from None
