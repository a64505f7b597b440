"""Agents and the immutable versions of what they are."""

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models

from agents.fields import EncryptedTextField, OrderedJSONField


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    pghistory.ManualEvent("credentials_revealed"),  # type: ignore[no-untyped-call]
    pghistory.ManualEvent("mcp_token_issued"),  # type: ignore[no-untyped-call]
    exclude=["credentials", "signing_key", "former_reach"],
)
class Agent(models.Model):
    """A named thing that answers. Its routes are in the registry; one without a route is trashed."""

    class Kind(models.TextChoices):
        """How an agent answers."""

        STORED = "stored"

    class State(models.TextChoices):
        """What callers get: an answer, the pause message, or nothing."""

        SERVING = "serving"
        PAUSED = "paused"
        TRASHED = "trashed"

    name = models.SlugField(max_length=63, unique=True)
    title = models.CharField(max_length=200, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.STORED)
    state = models.CharField(max_length=10, choices=State, default=State.SERVING)
    pause_message = models.TextField(blank=True)
    credentials = EncryptedTextField(blank=True, help_text="user:password; empty = the fleet's credentials")
    signing_key = EncryptedTextField(blank=True, help_text="empty = the fleet's signing key, if it has one")
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    live = models.ForeignKey("AgentVersion", models.PROTECT, null=True, blank=True, related_name="live_in")
    draft = models.ForeignKey("AgentVersion", models.PROTECT, null=True, blank=True, related_name="draft_in")
    created = models.DateTimeField(auto_now_add=True)
    trashed = models.DateTimeField(null=True, blank=True)
    former_reach = models.JSONField(null=True, blank=True, help_text="routes and names that a trashed agent had")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AgentVersion(models.Model):
    """A numbered snapshot of a definition. Nothing in it changes but when it stopped being live."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = OrderedJSONField()
    note = models.CharField(max_length=500, blank=True)
    author = models.CharField(max_length=150)
    created = models.DateTimeField(auto_now_add=True)
    retired = models.DateTimeField(null=True, blank=True, help_text="when it stopped being live; running calls keep it")

    class Meta:
        ordering = ["agent", "number"]
        constraints = [models.UniqueConstraint(fields=["agent", "number"], name="one_number_per_agent")]
        triggers = [
            pgtrigger.ReadOnly(name="version_is_immutable", exclude=["retired"]),
            pgtrigger.Protect(name="version_is_kept", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.agent.name} v{self.number}"
