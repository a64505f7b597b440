"""Sections of a prompt: the SDK's Prompt Object Model (POM)."""

from pydantic import Field, model_validator

from agents.definition.parts import Part, Text


class Section(Part):
    """A section of a prompt."""

    title: Text | None = Field(None, description="Heading of the section")
    body: Text | None = Field(None, description="What the section says")
    bullets: list[Text] = Field(default=[], description="Points below the body")
    subsections: list["Section"] = Field(default=[], description="Sections below this one")
    numbered: bool = Field(False, description="Number this section")
    numbered_bullets: bool = Field(False, alias="numberedBullets", description="Number the points")

    @model_validator(mode="after")
    def says_something(self) -> "Section":
        """An empty section is a mistake of its author."""
        if not (self.title or self.body or self.bullets or self.subsections):
            raise ValueError("needs a title, a body, bullets or subsections")
        return self
