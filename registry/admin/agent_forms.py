"""The admin's forms for agents: a new one with its definition, and what can be changed of one."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from agents.kinds import kind_named
from agents.models import Agent
from registry.actions import agents, instead, pauses
from registry.actions.definitions import read_definition
from registry.actions.etags import agent_tag
from registry.actions.transaction import Actor
from registry.admin.base import ActionForm
from registry.base.errors import Malformed
from registry.base.yaml_in import MAX_FILE_BYTES, parse
from registry.base.yaml_out import to_yaml
from registry.reports.describe import as_written

LINES = forms.Textarea(attrs={"rows": 30, "cols": 110, "spellcheck": "false", "class": "vLargeTextField"})
WORDS = "separated by commas or spaces"


class DefinitionField(forms.CharField):
    """A definition as YAML or JSON text; its value is the checked definition."""

    widget = LINES

    def __init__(self, **options: Any):
        super().__init__(
            strip=False, max_length=MAX_FILE_BYTES, help_text="YAML or JSON; see docs/definition.md", **options
        )

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Browsers send other line ends than they were given."""
        return bool(super().has_changed(initial, plain(data or "")))


def read(text: str) -> Any:
    """What a text defines; a `ValidationError` says every problem with its line, or its path in the definition."""
    try:
        definition = parse(text, "the text")
        read_definition(definition)
    except Malformed as error:
        problems = [f"{path or 'definition'}: {problem}" for path, problem in error.problems.items()]
        raise ValidationError(problems or [str(error)]) from None
    return definition


class RegisterForm(ActionForm):
    """A new agent."""

    name = forms.CharField(max_length=63, help_text="lower-case letters, digits, - and _")
    route = forms.CharField(max_length=200, help_text="URL path, such as /sales")
    sip = forms.CharField(required=False, label="SIP names", help_text=f"besides the automatic ones, {WORDS}")
    definition = DefinitionField()
    note = forms.CharField(required=False, max_length=500, help_text="why; kept with the version")

    class Meta:
        model = Agent
        fields: list[str] = []

    def clean_definition(self) -> Any:
        """Read it."""
        return read(self.cleaned_data["definition"])

    def act(self, by: Actor) -> Agent:
        """Register it."""
        given = self.cleaned_data
        change = agents.register(
            given["name"], given["route"], given["definition"], sip=words(given["sip"]), by=by, note=given["note"]
        )
        self.report(change)
        return Agent.objects.get(name=given["name"])


class EditForm(ActionForm):
    """What can be changed of an agent. A definition that says something else is published at once."""

    title = forms.CharField(required=False, max_length=agents.MAX_TITLE)
    tags = forms.CharField(required=False, help_text="separated by commas")
    definition = DefinitionField()
    note = forms.CharField(required=False, max_length=500, help_text="why; kept with a new version")
    pause = forms.CharField(
        required=False,
        max_length=pauses.MAX_PAUSE_MESSAGE,
        label="pause message",
        widget=forms.Textarea(attrs={"rows": 2, "cols": 110}),
        help_text="what new callers hear while the agent is paused",
    )
    new_signing_key = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="of the platform; empty: as it is, none: the fleet's. It is never shown.",
    )
    expected = forms.CharField(widget=forms.HiddenInput)
    columns = {"signing_key": "new_signing_key"}

    class Meta:
        model = Agent
        fields: list[str] = []

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        agent = self.instance
        if agent.current_state != Agent.State.PAUSED:
            self.fields["pause"].disabled = True
        if not kind_named(agent.kind).edited:
            self.fields["definition"].disabled = True
            self.fields["definition"].label = agent.kind
            self.fields["definition"].help_text = f"python3 manage.py register {agent.name} --update … changes it"

    def shown(self) -> dict[str, Any]:
        """As it is now."""
        agent = self.instance
        return {
            "title": agent.title,
            "tags": ", ".join(agent.tags),
            "definition": to_yaml(as_written(agent.live.definition)) if agent.live else "",
            "pause": "" if agent.pause_is_over else agent.pause_message,
            "expected": agent_tag(agent),
        }

    def clean_definition(self) -> Any:
        """Read it, if it is another one: what is live may be refused today, and has to stay as it is."""
        text = self.cleaned_data["definition"]
        return read(text) if "definition" in self.changed_data else None

    def act(self, by: Actor) -> Agent:
        """Change what was changed, all of it or nothing."""
        given, name = self.cleaned_data, self.instance.name
        key = given["new_signing_key"]
        agents.update_agent(
            name,
            by=by,
            title=given["title"],
            tags=[tag for tag in given["tags"].split(",") if tag.strip()],
            signing_key=instead.FLEET if key == "none" else key,
            expected=[given["expected"]],
        )
        if "definition" in self.changed_data:
            self.report(agents.publish(name, given["definition"], by=by, note=given["note"]))
        if "pause" in self.changed_data:
            pauses.pause(name, plain(given["pause"]), until=self.instance.paused_until, by=by)
        return Agent.objects.get(name=name)


def plain(text: str) -> str:
    """A text with plain line ends."""
    return text.replace("\r\n", "\n")


def words(text: str) -> list[str]:
    """What stands between commas and spaces."""
    return text.replace(",", " ").split()
