"""Fleet as code: the whole registry as one document, a plan of what a document would change, and its application."""

from registry.fleet.apply import Result, apply_plan, make_plan
from registry.fleet.document import Document, FleetAgent, FleetRoute
from registry.fleet.export import export_document, export_fleet
from registry.fleet.parse import read_document
from registry.fleet.plan import Plan, Step

__all__ = [
    "Document",
    "FleetAgent",
    "FleetRoute",
    "Plan",
    "Result",
    "Step",
    "apply_plan",
    "export_document",
    "export_fleet",
    "make_plan",
    "read_document",
]
