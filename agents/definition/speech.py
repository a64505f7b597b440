"""What an agent hears and says: languages with their voices, hints for the recogniser, pronunciations."""

from typing import Annotated

from pydantic import Discriminator, Field, Tag, model_validator

from agents.definition.parts import Object, Part, Text, Word, kind_of


class Language(Part):
    """A language that the agent speaks."""

    name: Word = Field(description="Name of the language, such as English")
    code: Word = Field(description="Its code, such as en-US")
    voice: Word = Field(description="Voice, as engine.voice or engine.voice:model")
    engine: Word | None = Field(None, description="Engine, if the voice does not name it")
    model: Word | None = Field(None, description="Model, if the voice does not name it")
    emotion: Word | None = Field(None, description="auto = the model chooses how it sounds")
    speed: Word | None = Field(None, description="auto = the model chooses how fast it speaks")
    speech_fillers: list[Word] = Field(default=[], description="Said while the model thinks")
    function_fillers: list[Word] = Field(default=[], description="Said while a function runs")
    fillers: list[Word] = Field(default=[], description="Said in both cases; older form of the two above")
    params: Object = Field(default={}, description="Knobs of the engine, such as {stability: 0.5}")

    @model_validator(mode="after")
    def one_form_of_fillers(self) -> "Language":
        """SWML takes the older form or the newer one."""
        if self.fillers and (self.speech_fillers or self.function_fillers):
            raise ValueError("has fillers beside speech_fillers or function_fillers: use the latter two only")
        return self


class PatternHint(Part):
    """What speech recognition should take certain words for."""

    hint: Word = Field(description="What it tends to hear")
    pattern: Word = Field(description="Regular expression that finds it")
    replace: Text = Field(description="What is put in its place")
    ignore_case: bool = Field(False, description="Upper and lower case are the same")


Hint = Annotated[
    Annotated[Text, Tag("<text>")] | Annotated[PatternHint, Tag("<object>")],
    Discriminator(lambda hint: "<object>" if isinstance(hint, PatternHint) else kind_of(hint)),
]


class Pronunciation(Part):
    """How a word is said."""

    replace: Word = Field(description="The word as it is written")
    with_: Word = Field(alias="with", description="How it sounds, such as 'A P I'")
    ignore_case: bool = Field(False, description="Upper and lower case are the same")
