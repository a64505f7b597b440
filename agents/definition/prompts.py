"""What the model is told: texts or sections (the SDK's Prompt Object Model), contexts, and the model's own knobs."""

from typing import Any

from pydantic import Field, model_validator

from agents.definition.contexts import Context, check_contexts
from agents.definition.parts import FieldError, Number, Object, Part, Text, Word
from agents.definition.sections import Section

__all__ = ["ModelWords", "PostPrompt", "Prompt", "Section"]


class ModelWords(Part):
    """How the language model is run (the SDK's set_prompt_llm_params)."""

    model: Word | None = Field(None, description="Name of the language model")
    temperature: Number = Field(None, description="Randomness, 0 to 1.5")
    top_p: Number = Field(None, description="Nucleus sampling, 0 to 1")
    confidence: Number = Field(None, description="How sure speech recognition must be, 0 to 1")
    presence_penalty: Number = Field(None, description="Favours new topics, -2 to 2")
    frequency_penalty: Number = Field(None, description="Disfavours repetition, -2 to 2")
    max_tokens: int | None = Field(None, description="Length of an answer, up to 4096 tokens")
    barge_confidence: Number = Field(None, description="How sure it must be that the caller interrupts, 0 to 1")
    llm_params: Object = Field(default={}, description="Other parameters of the model, verbatim")

    @model_validator(mode="after")
    def said_once(self) -> "ModelWords":
        """What has a word of its own, or a meaning of ours, is not said again among the others."""
        for word in type(self).model_fields:
            if word in self.llm_params:
                raise FieldError(f"llm_params.{word}", "belongs beside llm_params, not inside it")
        return self

    def model_words(self) -> dict[str, Any]:
        """What goes into SWML's prompt object."""
        given = {word: getattr(self, word) for word in ModelWords.model_fields if word != "llm_params"}
        return {**{word: value for word, value in given.items() if value is not None}, **self.llm_params}


class PostPrompt(ModelWords):
    """What the model is asked when the call has ended: one text, or sections."""

    text: Text | None = Field(None, min_length=1, description="The whole as one text")
    sections: list[Section] = Field(default=[], description="The same in sections, rendered as POM")

    @model_validator(mode="after")
    def one_form(self) -> "PostPrompt":
        """SWML has either `text` or `pom`."""
        if bool(self.text) == bool(self.sections):
            raise ValueError("needs either text or sections")
        return self


class Prompt(PostPrompt):
    """What the model is told: one text or sections, and contexts if the conversation has steps."""

    contexts: dict[Word, Context] = Field(default={}, description="Contexts with their steps, by name")

    @model_validator(mode="after")
    def steps_exist(self) -> "Prompt":
        """Whatever a context or step names must be there."""
        if self.contexts:
            check_contexts(self.contexts)
        return self
