"""Agents and the immutable versions of what they are."""

from datetime import datetime

import pghistory
import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.fields import EncryptedTextField, KindField, OrderedJSONField
from agents.kinds import KINDS, USUAL


def kind_choices() -> list[tuple[str, str]]:
    """The kinds that there are, for filters and labels; no matter of the schema."""
    return [(kind.word, kind.label) for kind in KINDS.values()]


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    pghistory.ManualEvent("credentials_revealed"),  # type: ignore[no-untyped-call]
    pghistory.ManualEvent("mcp_token_issued"),  # type: ignore[no-untyped-call]
    exclude=["credentials", "signing_key", "upstream", "former_reach"],
)
class Agent(models.Model):
    """A named thing that answers. Its routes are in the registry; one without a route is trashed."""

    class State(models.TextChoices):
        """What callers get: an answer, the pause message, or nothing."""

        SERVING = "serving"
        PAUSED = "paused"
        TRASHED = "trashed"

    name = models.SlugField(max_length=63, unique=True)
    title = models.CharField(max_length=200, blank=True)
    kind = KindField(max_length=10, choices=kind_choices, default=USUAL)
    state = models.CharField(max_length=10, choices=State, default=State.SERVING)
    pause_message = models.TextField(blank=True)
    paused_until = models.DateTimeField(null=True, blank=True, help_text="empty: until somebody resumes it")
    credentials = EncryptedTextField(blank=True, help_text="user:password; empty = the fleet's credentials")
    signing_key = EncryptedTextField(blank=True, help_text="empty = the fleet's signing key, if it has one")
    upstream = EncryptedTextField(
        blank=True, default="", db_default="", help_text="user:password with which a remote agent's server is asked"
    )
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    live = models.ForeignKey("AgentVersion", models.PROTECT, null=True, blank=True, related_name="live_in")
    draft = models.ForeignKey("AgentVersion", models.PROTECT, null=True, blank=True, related_name="draft_in")
    created = models.DateTimeField(auto_now_add=True)
    trashed = models.DateTimeField(null=True, blank=True)
    former_reach = models.JSONField(null=True, blank=True, help_text="routes and names that a trashed agent had")

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(
                fields=["paused_until"],
                condition=Q(state="paused", paused_until__isnull=False),
                name="agent_by_end_of_pause",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def pause_is_over(self) -> bool:
        """Whether callers reach it again although its row still says that it is paused."""
        return self.state == self.State.PAUSED and is_over(self.paused_until)

    @property
    def current_state(self) -> str:
        """What callers get now: `state`, but that a pause is over when its time is up."""
        return self.State.SERVING.value if self.pause_is_over else self.state

    @classmethod
    def over(cls) -> Q:
        """The condition for `pause_is_over`."""
        return Q(state=cls.State.PAUSED, paused_until__lte=timezone.now())

    @classmethod
    def in_state(cls, state: str) -> Q:
        """The condition for `current_state`, for lists."""
        over = cls.over()
        if state == cls.State.SERVING:
            return Q(state=state) | over
        return Q(state=state) & ~over if state == cls.State.PAUSED else Q(state=state)


def is_over(end: datetime | None) -> bool:
    """Whether a pause that ends then is over."""
    return end is not None and end <= timezone.now()


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
