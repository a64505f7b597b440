"""What is registered, the feed of its changes, and the workers that serve it."""

import pghistory
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q

from agents.models import Agent
from registry.log.models import AgentMinute, RoutingEvent  # noqa: F401 - Django looks for an app's models here
from registry.triggers import change_feed


class Installation(models.Model):
    """The one row that says which secret key this database belongs to."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    secret_fingerprint = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_installation")]

    def __str__(self) -> str:
        return f"installed {self.created:%Y-%m-%d}"


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class Route(models.Model):
    """A URL path that is bound to an agent. Registering again makes a new row."""

    path = models.CharField(max_length=200, unique=True)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="routes")
    enabled = models.BooleanField(default=True)
    default = models.BooleanField(default=False, help_text="takes the calls to SIP names that nobody has")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["default"], condition=Q(default=True), name="one_default_route")]
        triggers = change_feed("route")

    def __str__(self) -> str:
        return self.path


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
class SipMapping(models.Model):
    """A SIP username that is bound to a route."""

    class Source(models.TextChoices):
        """Who chose the name."""

        AUTO = "auto"
        MANUAL = "manual"

    username = models.CharField(max_length=128, unique=True, help_text="in the form in which names are compared")
    typed = models.CharField(max_length=200)
    route = models.ForeignKey(Route, models.CASCADE, related_name="sip_mappings")
    source = models.CharField(max_length=6, choices=Source)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["username"]
        verbose_name = "SIP mapping"
        triggers = change_feed("sip")

    def __str__(self) -> str:
        return self.username


class RegistryChange(models.Model):
    """A step of the change feed: from this revision on, this agent is another. Written by triggers alone."""

    revision = models.BigIntegerField(primary_key=True)
    agent_id = models.BigIntegerField(null=True, help_text="null = something that no agent owns: load everything")
    created = models.DateTimeField()

    class Meta:
        ordering = ["revision"]

    def __str__(self) -> str:
        return f"revision {self.revision}"

    @classmethod
    def newest(cls) -> int:
        """The newest revision; inside an action that is its own, for it holds the lock."""
        return cls.objects.order_by("-revision").values_list("revision", flat=True).first() or 0


class ServedAgent(Agent):
    """Agents as the registry sees them: their changes are fed to the workers."""

    class Meta:
        proxy = True
        triggers = change_feed("agent")


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    fields=["name", "key", "scope", "owner", "expires", "revoked"],
    model_name="ApiTokenEvent",
    obj_field=pghistory.ObjForeignKey(related_name="events"),
)
class ApiToken(models.Model):
    """What a script shows instead of a password. The token itself is kept nowhere: only its digest."""

    class Scope(models.TextChoices):
        """How much it opens; see registry/policy.py."""

        READ = "read"
        OPERATE = "operate"
        ADMIN = "admin"

    name = models.CharField(max_length=100)
    key = models.CharField(max_length=32, unique=True, help_text="the visible part")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the secret part, in hex")
    scope = models.CharField(max_length=7, choices=Scope)
    owner = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="api_tokens")
    author = models.CharField(max_length=150, help_text="who made it")
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True, blank=True)
    revoked = models.DateTimeField(null=True, blank=True)
    last_used = models.DateTimeField(null=True, blank=True)
    allowance = models.FloatField(default=0, help_text="requests that it had left when it was last used")

    class Meta:
        ordering = ["-id"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.key


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    pghistory.DeleteEvent(),
    pghistory.ManualEvent("password_changed"),  # type: ignore[no-untyped-call]
    pghistory.ManualEvent("sign_in_link_made"),  # type: ignore[no-untyped-call]
    fields=["username", "email", "is_active", "is_staff", "is_superuser"],
    model_name="MemberEvent",
    obj_field=pghistory.ObjForeignKey(related_name="events"),
)
class Member(User):
    """People as the audit sees them."""

    class Meta:
        proxy = True


@pghistory.track(pghistory.InsertEvent(), pghistory.DeleteEvent(), obj_field=None)
class Membership(User.groups.through):  # type: ignore[name-defined, misc]  # the table of who has which role
    """Roles as the audit sees them."""

    class Meta:
        proxy = True


class Worker(models.Model):
    """A worker's heartbeat."""

    replica = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    revision = models.BigIntegerField(default=0)
    spool_bytes = models.BigIntegerField(default=0, help_text="events that are not in the database yet")
    last_error = models.TextField(blank=True)
    troubles = models.JSONField(
        default=dict,
        db_default=models.Value({}, output_field=models.JSONField()),
        help_text="agents that do not run well there; see runners.py",
    )
    started = models.DateTimeField()
    seen = models.DateTimeField()

    class Meta:
        ordering = ["replica", "pid"]
        constraints = [models.UniqueConstraint(fields=["replica", "pid"], name="one_heartbeat_per_worker")]

    def __str__(self) -> str:
        return f"{self.replica}/{self.pid}"
