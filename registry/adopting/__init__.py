"""Adopting: all agents of the SDK's server that runs elsewhere, or of a script for it, registered in one step."""

from registry.adopting.entries import Entry, Report, Wishes
from registry.adopting.scripts import adopt_script
from registry.adopting.servers import adopt_server

__all__ = ["Entry", "Report", "Wishes", "adopt_script", "adopt_server"]
