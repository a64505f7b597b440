"""Contexts and steps: a conversation in stages, each with its own task and functions (the SDK's ContextBuilder)."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from agents.definition.parts import ContextFillers, FieldError, Part, Text, Word, kind_of
from agents.definition.sections import Section

MAX_CONTEXTS = 50  # the SDK's own limits
MAX_STEPS = 100
# The platform adds these functions by itself when there are steps.
STEP_FUNCTIONS = frozenset({"next_step", "change_context", "gather_submit"})

History = Literal["keep", "default", "hide"]
StepFunctions = Annotated[
    Annotated[Literal["none"], Tag("<text>")] | Annotated[list[Word], Tag("<list>")], Discriminator(kind_of)
]


class Question(Part):
    """Something that a step must find out."""

    key: Word = Field(description="Where the answer is kept")
    question: Word = Field(description="What the caller is asked")
    type: Word | None = Field(None, description="JSON type of the answer; string unless said")
    confirm: bool = Field(False, description="Repeat the answer and ask whether it is right")
    prompt: Text | None = Field(None, description="What the model is told besides, for this question")
    functions: list[Word] = Field(default=[], description="Functions that may be called for it")
    isolated: bool | None = Field(None, description="Asked without what was said before")


class GatherInfo(Part):
    """Questions that a step asks one by one."""

    questions: list[Question] = Field(min_length=1, description="Asked in this order")
    prompt: Text | None = Field(None, description="What the model is told while it asks")
    output_key: Word | None = Field(None, description="Key of global_data that gets the answers")
    completion_action: Word | None = Field(None, description="next_step, or the step that follows; else it stays")
    isolated: bool = Field(False, description="Asked without what was said before")

    @field_validator("questions")
    @classmethod
    def distinct(cls, questions: list[Question]) -> list[Question]:
        """Two answers cannot have one place."""
        keys = [question.key for question in questions]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"two questions have the key {twice!r}")
        return questions


class Reset(Part):
    """What the model forgets and is told anew when a step begins."""

    system_prompt: Text | None = None
    user_prompt: Text | None = None
    consolidate: bool = False
    full_reset: bool = False


class ContextStep(Part):
    """A stage of the conversation."""

    name: Word = Field(description="Its name, unique in its context")
    text: Text | None = Field(None, min_length=1, description="What the model is told in this step, or …")
    sections: list[Section] = Field(default=[], description="… the same in sections")
    step_criteria: Word | None = Field(None, description="When the step is done")
    functions: StepFunctions | None = Field(None, description="Functions that may be called, or none")
    valid_steps: list[Word] | None = Field(None, description="Steps that may follow")
    valid_contexts: list[Word] | None = Field(None, description="Contexts that it may change to")
    end: bool = Field(False, description="The conversation ends here")
    skip_user_turn: bool = Field(False, description="Do not wait for the caller first")
    skip_to_next_step: bool = Field(False, description="Go on at once")
    history: History | None = Field(None, description="What becomes of what was said before")
    reset: Reset | None = Field(None, description="What is forgotten")
    gather_info: GatherInfo | None = Field(None, description="Questions that it asks one by one")

    @model_validator(mode="after")
    def one_form(self) -> "ContextStep":
        """SWML has either `text` or `pom`."""
        if bool(self.text) == bool(self.sections):
            raise ValueError("needs either text or sections")
        if self.name == "next":
            raise ValueError("must not be called next: that word means the step after this one")
        return self


class Context(Part):
    """A part of the conversation with steps of its own."""

    steps: list[ContextStep] = Field(min_length=1, max_length=MAX_STEPS, description="Its steps, in order")
    valid_contexts: list[Word] | None = Field(None, description="Contexts that it may change to")
    valid_steps: list[Word] | None = Field(None, description="Steps that may follow")
    initial_step: Word | None = Field(None, description="Where it begins; else with the first step")
    post_prompt: Text | None = Field(None, description="Asked at the end, instead of the agent's own")
    system_prompt: Text | None = Field(None, description="Replaces the agent's prompt")
    consolidate: bool = Field(False, description="Summarise what was said when it begins")
    full_reset: bool = Field(False, description="Forget what was said when it begins")
    user_prompt: Text | None = Field(None, description="Said to the model as if by the caller")
    isolated: bool = Field(False, description="Begin without what was said before")
    prompt: Text | None = Field(None, min_length=1, description="What the model is told in this context, or …")
    text: Text | None = Field(None, min_length=1, description="… the same by the word of SWML's schema, or …")
    sections: list[Section] = Field(default=[], description="… in sections")
    enter_fillers: ContextFillers | None = Field(None, description="Said when it begins, by language")
    exit_fillers: ContextFillers | None = Field(None, description="Said when it ends, by language")
    history: History | None = Field(None, description="What becomes of what was said before")

    @model_validator(mode="after")
    def one_form(self) -> "Context":
        """Two prompts would contradict each other."""
        if sum(map(bool, (self.prompt, self.text, self.sections))) > 1:
            raise ValueError("has more than one of prompt, text and sections")
        return self


def check_contexts(contexts: dict[str, Context]) -> None:
    """Raise `FieldError` for what the platform would stumble over (as the SDK's ContextBuilder.validate does)."""
    if len(contexts) > MAX_CONTEXTS:
        raise FieldError("contexts", f"{len(contexts)} are more than {MAX_CONTEXTS}")
    if len(contexts) == 1 and "default" not in contexts:
        raise FieldError("contexts", "a single context must be called default")
    for name, context in contexts.items():
        steps = [step.name for step in context.steps]
        if twice := next((step for step in steps if steps.count(step) > 1), None):
            raise FieldError(f"contexts.{name}", f"two steps are called {twice!r}")
        if context.initial_step is not None and context.initial_step not in steps:
            raise FieldError(f"contexts.{name}.initial_step", f"there is no step {context.initial_step!r}")
        check_names(f"contexts.{name}.valid_contexts", context.valid_contexts, contexts)
        check_names(f"contexts.{name}.valid_steps", context.valid_steps, {*steps, "next"})
        for number, step in enumerate(context.steps):
            where = f"contexts.{name}.steps.{number}"
            check_names(f"{where}.valid_steps", step.valid_steps, {*steps, "next"})
            check_names(f"{where}.valid_contexts", step.valid_contexts, contexts)
            action = step.gather_info.completion_action if step.gather_info else None
            if action == "next_step" and number == len(steps) - 1:
                raise FieldError(f"{where}.gather_info.completion_action", "no step follows this one")
            if action is not None and action != "next_step" and action not in steps:
                raise FieldError(f"{where}.gather_info.completion_action", f"there is no step {action!r}")


def check_names(where: str, named: list[str] | None, known: Any) -> None:
    """Raise `FieldError` for a name that is not there."""
    for name in named or []:
        if name not in known:
            raise FieldError(where, f"there is no {name!r}")


def step_functions(contexts: dict[str, Context]) -> Iterator[tuple[str, str]]:
    """Every function that a step names, with the path of the field that does."""
    for name, context in contexts.items():
        for number, step in enumerate(context.steps):
            where = f"prompt.contexts.{name}.steps.{number}"
            for function in step.functions if isinstance(step.functions, list) else []:
                yield f"{where}.functions", function
            for index, question in enumerate(step.gather_info.questions if step.gather_info else []):
                for function in question.functions:
                    yield f"{where}.gather_info.questions.{index}.functions", function
