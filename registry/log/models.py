"""The routing log's tables, and the minutes that are counted of it."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from registry.log.ids import moment_of


class RoutingEvent(models.Model):
    """One logged request with its decision. Partitioned by day (of the id's time) in the database; never changed."""

    id = models.UUIDField(primary_key=True, help_text="UUIDv7: its time is the event's")
    replica = models.TextField()
    kind = models.TextField(help_text="swml, swaig, post_prompt, sip, check_for_input, debug_events, unmatched or test")
    method = models.TextField()
    path = models.TextField()
    source = models.TextField(help_text="address of the sender")
    route = models.TextField()
    agent = models.TextField()
    version = models.IntegerField(null=True)
    call_id = models.TextField()
    sip_user = models.TextField()
    caller = models.TextField(db_column="from")
    dialled = models.TextField(db_column="to")
    function = models.TextField()
    status = models.SmallIntegerField()
    outcome = models.TextField()
    detail = models.TextField()
    steps = models.JSONField()
    microseconds = models.IntegerField(help_text="from the request's first byte to just before the answer's")
    request = models.JSONField(null=True)
    response = models.JSONField(null=True)
    request_id = models.TextField(default="", help_text="that its sender gave; empty: it is known by this event's id")
    trace_id = models.TextField(default="", help_text="of the W3C trace that it belongs to")
    channel = models.TextField(default="voice", help_text="voice, test, chat or a2a; `kind` is what was asked by it")
    query = models.TextField(default="", help_text="of the request's URL: without tokens, and masked")
    via = models.TextField(default="", help_text="the router that was asked and picked the agent; empty: it was asked")
    rule = models.TextField(default="", help_text="the router's rule that did")
    side = models.TextField(default="", help_text="of a canary, that the call is on")
    digest = models.TextField(default="", help_text="of what the agent answered; see registry/routing/digest.py")
    replayable = models.BooleanField(default=False, help_text="its request is here whole, nothing masked or cut off")
    asked_twice = models.BooleanField(default=False, help_text="the same bytes had been sent before")
    batch = models.BigIntegerField(default=0, help_text="transaction that wrote it; see log/cursor.py")

    class Meta:
        managed = False  # Django cannot say PARTITION BY; see the migration
        db_table = "registry_routingevent"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.path} {self.outcome}"

    @property
    def time(self) -> datetime:
        """When it was, in UTC: its id says it."""
        return moment_of(self.id)


class AgentMinute(models.Model):
    """What an agent did in a minute; kept by the writer in the transaction of the events that it counts."""

    pk = models.CompositePrimaryKey("agent", "minute")
    agent = models.TextField()
    minute = models.DateTimeField()
    count = models.BigIntegerField()
    errors = models.BigIntegerField(help_text="answers that failed on our side")
    latencies = ArrayField(models.BigIntegerField(), help_text="requests by latency; see registry/log/minutes.py")

    class Meta:
        ordering = ["agent", "minute"]
        indexes = [models.Index(fields=["minute"], name="agent_minute_by_minute")]  # retention deletes in its order

    def __str__(self) -> str:
        return f"{self.agent} {self.minute:%Y-%m-%d %H:%M}"
