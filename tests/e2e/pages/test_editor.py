"""The editor in a browser: two views of one state, problems beside fields, draft, publish, restore, two at once."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.server import Server

DEFINITION = """\
prompt:
  sections:
    - {title: Role, body: You sell pumps., subsections: [{title: Deep, body: Kept.}]}
languages: [{name: English, code: en-US, voice: rime.spore}]
params: {zulu: 1, alpha: {b: 2, a: 1}}
functions:
  get_price:
    description: Price of a pump
    parameters: {type: object, properties: {pump: {type: string, enum: [a, b]}}, required: [pump]}
    handler: {reply: "It is ${args.pump}"}
"""


@pytest.fixture
def pumps(console: Server, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An agent of this test's own; its name."""
    name = re.sub(r"\W+|_", "-", request.node.name)[:40].strip("-")
    file = tmp_path / "pumps.yaml"
    file.write_text(DEFINITION)
    console.command("register", name, "--route", f"/{name}", "--file", str(file), "--no-auto-sip")
    return name


def editor(page: Page, name: str) -> None:
    """Open the editor, and wait for its preview."""
    page.goto(f"/dashboard/agents/{name}/definition/")
    expect(page.locator("#preview")).to_contain_text("same document")


def open_part(page: Page, title: str) -> None:
    page.locator("details.part > summary", has_text=title).click()


def test_what_is_typed_goes_from_form_to_yaml_and_back(console: Server, visit: Callable[..., Page], pumps: str) -> None:
    page = visit(console, "operator")
    editor(page, pumps)
    page.get_by_label("Body", exact=True).fill("You repair pumps.\nAll kinds.")
    open_part(page, "Functions")
    page.get_by_role("button", name="Edit get_price").click()
    page.get_by_label("Reply", exact=True).fill("It costs ${args.pump}")
    page.get_by_role("button", name="YAML", exact=True).click()
    box = page.get_by_label("Definition as YAML or JSON")
    expect(box).to_be_visible()
    text = box.input_value()
    for words in ("You repair pumps.\n", "All kinds.", "reply: It costs ${args.pump}", "body: Kept.", "zulu: 1"):
        assert words in text
    assert text.index("zulu") < text.index("alpha")
    expect(page).to_have_url(re.compile(r"\?view=yaml$"))
    box.fill(text.replace("You repair", "You mend"))
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.get_by_label("Body", exact=True)).to_have_value("You mend pumps.\nAll kinds.")
    expect(page.locator("#preview")).to_contain_text("mend")
    assert not console.query("SELECT FROM agents_agent WHERE name = %s AND draft_id IS NOT NULL", pumps)


def test_problems_stand_beside_their_fields_while_one_types(
    console: Server, visit: Callable[..., Page], pumps: str
) -> None:
    page = visit(console, "operator")
    editor(page, pumps)
    open_part(page, "Languages")
    voice = page.get_by_label("Voice", exact=True)
    voice.fill("")
    expect(voice).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#problems")).to_contain_text("1 problem keeps it from being saved")
    expect(voice.locator("xpath=../p[contains(@class, 'is-bad')]")).to_have_text("is missing")
    voice.press_sequentially("rime.luna")
    expect(voice).not_to_have_attribute("aria-invalid", "true")
    expect(voice).to_be_focused()
    expect(page.locator("#preview ins, #preview .add").first).to_be_visible()
    page.get_by_role("button", name="YAML", exact=True).click()
    page.get_by_label("Definition as YAML or JSON").fill("prompt:\n  text: Hello\nlanguages:\n  - name: A\n")
    page.locator("#problems a", has_text="Line 4").first.click()
    selected = "(box => box.value.slice(box.selectionStart, box.selectionEnd))(document.activeElement)"
    assert page.evaluate(selected) == "  - name: A"


def test_draft_publish_undo_restore(console: Server, visit: Callable[..., Page], pumps: str) -> None:
    page = visit(console, "operator")
    editor(page, pumps)
    page.get_by_label("Body", exact=True).fill("You lend pumps.")
    page.get_by_label("Note, why").fill("lending")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".toast")).to_contain_text("Draft saved as version 2")
    publish = page.locator("#publish")
    expect(publish).to_contain_text("prompt.sections.0.body")
    expect(publish.locator("del")).to_have_text("You sell pumps.")
    expect(publish).to_contain_text("lending")
    publish.get_by_role("link", name="Document").click()
    expect(publish.locator(".code .add").first).to_contain_text("lend")
    publish.get_by_role("button", name="Publish v2").click()
    expect(page.locator(".toast")).to_contain_text("Version 2 is live on 2/2 workers")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Version 3 is live")
    expect(page).to_have_url(re.compile(r"/versions/$"))
    page.get_by_role("link", name="v2", exact=True).click()
    expect(page.get_by_label("Definition of version 2")).to_contain_text("You lend pumps.")
    page.get_by_role("button", name="Restore version 2").click()
    expect(page.locator(".toast")).to_contain_text("Version 4 is live")
    page.get_by_label("Compare", exact=True).select_option("1")
    page.get_by_label("with", exact=True).select_option("4")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".fields-table ins")).to_have_text("You lend pumps.")


def test_two_edit_one_agent_and_neither_loses_anything(console: Server, visit: Callable[..., Page], pumps: str) -> None:
    mine, theirs = visit(console, "operator"), visit(console, "admin")
    editor(mine, pumps)
    editor(theirs, pumps)
    mine.get_by_label("Body", exact=True).fill("Mine.")
    theirs.get_by_label("Body", exact=True).fill("Theirs.")
    theirs.get_by_role("button", name="Save draft").click()
    expect(theirs.locator(".toast")).to_contain_text("Draft saved as version 2")
    expect(mine.locator("#colleague")).to_contain_text("admin-of-a-test has saved draft v2")
    expect(mine.get_by_label("Body", exact=True)).to_have_value("Mine.")
    mine.get_by_role("button", name="Save draft").click()
    expect(mine.locator("h2", has_text="admin-of-a-test was faster")).to_be_visible()
    expect(mine.locator(".fields-table del")).to_have_text("Theirs.")
    mine.get_by_role("button", name="Take theirs").click()
    expect(mine.locator(".toast")).to_contain_text("Yours is kept as version 3")
    expect(mine.get_by_label("Body", exact=True)).to_have_value("Theirs.")
    mine.goto(f"/dashboard/agents/{pumps}/versions/3/")
    expect(mine.get_by_label("Definition of version 3")).to_contain_text("body: Mine.")


def test_a_viewer_reads(console: Server, visit: Callable[..., Page], pumps: str) -> None:
    page = visit(console, "viewer")
    editor(page, pumps)
    expect(page.get_by_label("Body", exact=True)).to_be_disabled()
    expect(page.get_by_role("button", name="Save draft")).to_have_count(0)
    page.get_by_role("link", name="YAML").click()
    expect(page.get_by_label("Definition as YAML")).to_contain_text("You sell pumps.")
