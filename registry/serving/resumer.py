"""Ends the pauses whose time is up in the database, too: callers reach those agents already (routing/decide.py)."""

import logging

from registry.actions import pauses
from registry.base.daemon import Daemon
from registry.base.errors import RegistryError
from registry.base.pool import let_go

logger = logging.getLogger(__name__)


class Resumer(Daemon):
    """Resumes agents; every worker looks, the first one that sees it does it."""

    name = "resumer"
    trouble = "Agents whose pause is over answer their callers, but may be listed as paused"
    pause_seconds = 2  # until then lists may be behind, callers are not

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""  # why it may not change the registry

    def work(self) -> None:
        """Look, unless it is over."""
        if self.stopping.is_set():
            return
        try:
            for name in pauses.resume_what_is_over():
                logger.info("Resumed %s: the time of its pause was up", name)
            self.refused = ""
        except RegistryError as error:  # another change takes long; the database belongs to another secret key by now
            if str(error) != self.refused:
                logger.warning("%s: %s", self.trouble, error)
            self.refused = str(error)
        let_go()
