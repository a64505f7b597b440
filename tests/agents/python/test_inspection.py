"""Agents are looked at in a process of their own: what is seen, where they may come from, and what cannot harm."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from agents.errors import UnusableSource
from agents.python.inspection import Inspected, Whereabouts, inspect
from agents.python.source import PythonSource
from tests.e2e.hosting import folder_of_agents


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of AGENT_PATH with the fleet of tests/e2e."""
    return folder_of_agents(tmp_path_factory.mktemp("inspecting") / "agents")


def look(folder: Path, name: str, seconds: float = 30, modules: tuple[str, ...] = (), **arguments: Any) -> Inspected:
    """What is seen of a class."""
    source = PythonSource.model_validate({"class": name, "arguments": arguments})
    return inspect(source, Whereabouts((str(folder),), modules, seconds))


def refusal(folder: Path, name: str, **options: Any) -> str:
    """Why a class cannot be registered."""
    with pytest.raises(UnusableSource) as refused:
        look(folder, name, **options)
    return str(refused.value)


def test_all_that_can_be_known_is_seen(folder: Path) -> None:
    seen = look(folder, "sdk_agents:Clinic").found
    assert seen.name == "clinic"
    assert seen.mcp is True
    assert list(seen.functions) == ["plain", "price", "book", "explicit", "elsewhere", "decorated", "weather"]
    assert seen.functions["price"].parameters["required"] == ["kind"]
    assert [name for name, function in seen.functions.items() if not function.runs_here] == ["elsewhere", "weather"]
    assert [name for name, function in seen.functions.items() if function.secure] == [
        "price",
        "book",
        "elsewhere",
        "weather",
    ]


def test_its_own_secrets_callbacks_and_names(folder: Path) -> None:
    seen = look(folder, "sdk_agents:Signed")
    assert (seen.credentials, seen.signing_key) == ("kiosk:c0de-word", "PSK-code")
    seen = look(folder, "sdk_agents:Switchman")
    assert (seen.credentials, seen.signing_key) == ("", "")
    assert sorted(seen.found.callbacks) == ["desk/night", "vip"]
    assert seen.found.sip == ["switch-desk"]


def test_arguments_are_handed_over(folder: Path) -> None:
    assert look(folder, "sdk_agents:Needing", number=3).found.name == "steady"
    assert "number" in refusal(folder, "sdk_agents:Needing")


def test_what_an_agent_prints_is_no_answer(folder: Path) -> None:
    assert look(folder, "sdk_agents:Loud").found.name == "steady"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Raising", "ValueError: no key in the environment (sdk_agents.py:"),
        ("Leaving", "its code called sys.exit(5)"),
        ("Vanishing", "ended with exit code 6 before it was built"),
        ("NotOne", "no AgentBase subclass: sdk_agents:NotOne"),
        ("eat", "no AgentBase subclass"),
        ("Nobody", "there is no sdk_agents:Nobody: is the name right?"),
        ("Clinic.Nobody", "there is no sdk_agents:Clinic.Nobody"),
    ],
)
def test_what_is_no_agent_is_said(name: str, words: str, folder: Path) -> None:
    assert words in refusal(folder, f"sdk_agents:{name}")


def test_a_constructor_that_hangs_is_given_up(folder: Path) -> None:
    began = time.monotonic()
    assert "was not built within 3 seconds" in refusal(folder, "sdk_agents:Hanging", seconds=3)
    assert time.monotonic() - began < 20, "which is 3 s and the end of a process"


def test_modules_that_cannot_be_imported_say_why(folder: Path) -> None:
    (folder / "broken.py").write_text("def (:\n")
    (folder / "needy.py").write_text("import no_such_package\n")
    assert "SyntaxError" in refusal(folder, "broken:Agent")
    assert "No module named 'no_such_package'" in refusal(folder, "needy:Agent")
    assert f"there is no module nobody in the folders of AGENT_PATH: {folder}" in refusal(folder, "nobody:Agent")


@pytest.mark.parametrize("name", ["json:JSONDecoder", "os:PathLike", "ftplib:FTP"])
def test_only_what_is_in_the_folders_is_loaded(name: str, folder: Path) -> None:
    assert "is not in a folder of AGENT_PATH: put one there" in refusal(folder, name)


def test_the_prefabs_of_the_sdk_are_classes_like_others(folder: Path) -> None:
    faqs = [{"question": "When?", "answer": "Now."}]
    assert look(folder, "signalwire.prefabs:FAQBotAgent", faqs=faqs).found.functions


def test_agent_modules_allow_others_and_nothing_else(folder: Path) -> None:
    faqs = [{"question": "When?", "answer": "Now."}]
    seen = look(folder, "signalwire.prefabs:FAQBotAgent", modules=("signalwire.prefabs",), faqs=faqs)
    assert seen.found.name == "faq_bot"
    assert "not among those of AGENT_MODULES: sales*" in refusal(folder, "sdk_agents:Steady", modules=("sales*",))


def test_a_module_beside_the_folder_is_not_in_it(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "beside.py").write_text("from sdk_agents import Steady as Agent\n")
    assert "there is no module beside" in refusal(folder, "beside:Agent")
    with pytest.raises(ValueError, match="must be MODULE:CLASS"):
        PythonSource.model_validate({"class": "../outside/beside:Agent"})


def test_a_link_in_the_folder_counts_as_being_there(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "linked.py"
    real.write_text("from sdk_agents import Steady as Agent\n")
    (folder / "linked.py").symlink_to(real)
    assert look(folder, "linked:Agent").found.name == "steady"


def test_the_digest_tells_changed_code_from_touched_code(folder: Path) -> None:
    (folder / "helper.py").write_text("WORD = 1\n")
    (folder / "changing.py").write_text("import helper\nfrom sdk_agents import Steady as Agent\n")
    first = look(folder, "changing:Agent").code
    os.utime(folder / "changing.py", (1, 1))
    assert look(folder, "changing:Agent").code == first
    (folder / "helper.py").write_text("WORD = 2\n")
    assert look(folder, "changing:Agent").code != first, "a module of its own that it imports"


def test_nothing_of_ours_reaches_an_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "curious.py").write_text(
        "import os, sys\nfrom os import environ as e\nfrom sdk_agents import Steady\n"
        "class Agent(Steady):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        '        self.name = f\'{e.get("SECRET_KEY")} {e.get("CRM_URL")} {"agents" in sys.modules}\'\n'
    )
    monkeypatch.setenv("SECRET_KEY", "ours")
    monkeypatch.setenv("CRM_URL", "theirs")
    source = PythonSource.model_validate({"class": "curious:Agent"})
    seen = inspect(source, Whereabouts((str(folder),), hidden=frozenset({"SECRET_KEY"})))
    assert seen.found.name == "None theirs False"
