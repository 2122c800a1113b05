"""The documents say what the program does: what can be set, typed, alarmed or refused is written down."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.cli import Exit
from ari_recorder.domain.accounts import LANGUAGES
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.events import Code, Language
from ari_recorder.services.call_texts import TEXT_PURPOSE
from ari_recorder.services.callers import CALLER_PURPOSE
from ari_recorder.services.kept_keys import REASON_PURPOSE, REFUSAL_PURPOSE, REQUEST_PURPOSE
from tests import docs_parts
from tests.catalogues import read
from tests.docs_parts import FORMATS, OPERATIONS, README, ROOT

BOTH = README.read_text() + OPERATIONS.read_text()


@pytest.mark.parametrize(("path", "name"), docs_parts.PARTS, ids=lambda part: getattr(part, "name", part))
def test_parts_made_from_the_program_are_up_to_date(path: Path, name: str) -> None:
    text = path.read_text()
    made = docs_parts.with_part(text, name, docs_parts.PARTS[path, name]())
    assert text == made, "run: .venv/bin/python -m tests.docs_parts"


def test_every_setting_is_documented() -> None:
    text = README.read_text()
    for setting in config.settings():
        assert setting.description in text, setting.key


def test_every_command_and_option_is_documented_and_helps() -> None:
    text = README.read_text()
    names = [name for name, _ in docs_parts.commands()]
    assert {"run", "check", "ledger", "sweep", "recordings list", "recordings show", "recordings export"} <= set(names)
    for name, command in docs_parts.commands():
        assert f"`ari-recorder {name}" in text, name
        assert command.help, name
        for param in command.params:
            for option in param.opts:
                if option.startswith("--"):
                    assert option in text, f"{name} {option}"


def test_every_command_but_two_speaks_json() -> None:
    for name, command in docs_parts.commands():
        options = {option for param in command.params for option in param.opts}
        assert ("--json" in options) is (name not in ("run", "example-config")), name


def alarms_in_the_source() -> set[str]:
    sources = "".join(path.read_text() for path in (ROOT / "ari_recorder").rglob("*.py"))
    return {code.value for code in AlarmCode} | set(re.findall(r'alarm="([a-z-]+)"', sources))


def test_every_alarm_is_documented_with_what_to_do() -> None:
    rows = re.findall(
        r'^\| <a id="alarm-([a-z-]+)"></a>`([a-z-]+)` \| (.+) \| (.+) \|$', OPERATIONS.read_text(), re.MULTILINE
    )
    assert all(anchor == code for anchor, code, _, _ in rows)
    assert {code for code, _, _, _ in rows} == alarms_in_the_source()


def test_every_error_code_is_documented_and_given_once() -> None:
    text = OPERATIONS.read_text()
    codes = [error.code for error in docs_parts.coded_errors()] + [config.ConfigError.code]
    assert len(codes) == len(set(codes))
    for code in codes:
        assert f"`{code}`" in text, code


def test_every_error_tells_what_to_do_in_a_sentence() -> None:
    for error in docs_parts.coded_errors():
        text = (error.__doc__ or "").strip()
        assert text[:1].isupper() or text.startswith("{"), error
        assert text[-1] in ".?}:" or "/" in text.split()[-1], error
        names = re.findall(r"\{(\w+)", text)
        assert str(error(**dict.fromkeys(names, 0))), error


def test_exit_codes_are_documented() -> None:
    text = README.read_text()
    for code in Exit:
        assert f"| {code.value} | " in text


def test_the_codes_of_the_agents_are_those_of_the_features_file() -> None:
    features = (ROOT / "asterisk_conf" / "features_ari_recorder.conf").read_text()
    text = README.read_text()
    for code in Code:
        keys = re.search(rf"^ari-recorder-{code.value} => (\S+?),", features, re.MULTILINE)
        assert keys is not None, code
        assert f"`{keys[1]}`" in text, code


def test_the_shipped_files_are_the_documented_ones() -> None:
    text = README.read_text()
    for path in (ROOT / "asterisk_conf").glob("*.conf"):
        assert f"#include {path.name}`" in text, path.name
    for language in Language:
        assert (ROOT / "asterisk_conf" / "sounds" / language.value / "announcement.wav").exists()


def test_configuration_shown_in_the_documents_can_be_read(tmp_path: Path) -> None:
    """Blocks that are TOML of ours are merged into the example and loaded."""
    assert tomllib.loads(config.example())
    path = tmp_path / "ari-recorder.toml"
    path.write_text(config.example())
    assert config.load(path)
    for key, value in re.findall(r"`(capture|pbx|log|storage)\.(\w+ = [^`]+)`", BOTH):
        section = config.example().replace(f"#[{key}]", f"[{key}]")
        name = value.partition(" ")[0]
        kept = "\n".join(line for line in section.splitlines() if not line.lstrip("#").startswith(f"{name} ="))
        path.write_text(kept.replace(f"[{key}]", f"[{key}]\n{value}", 1))
        assert config.load(path), value


def test_links_between_documents_lead_somewhere() -> None:
    documents = [README, *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    for document in documents:
        text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target, anchor in re.findall(r"\]\((?!https?:)([\w./-]*)(?:#([^)]*))?\)", text):
            there = document.parent / target if target else document
            assert there.exists(), f"{document.name}: {target}"
            assert not anchor or anchor in _anchors(there.read_text()), f"{document.name}: {target}#{anchor}"


def test_the_documents_are_a_site_in_which_every_link_leads_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} <= {path.name for path in tmp_path.iterdir()}
    pages = [path.read_text() for path in tmp_path.glob("*.html")]
    assert not any(re.search(r'(?:src|rel="stylesheet" href)="https?:', page) for page in pages), "it fetches nothing"


def _anchors(text: str) -> set[str]:
    """Of headings as they are made on the usual sites, and those that were set."""
    text_only = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text_only, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_privacy_officers_guide_names_what_stands_on_the_pages(language: str) -> None:
    guides = {one: (ROOT / "docs" / f"privacy_officer.{one}.md").read_text() for one in LANGUAGES}
    headings = {one: len(re.findall("^#+ ", text, re.MULTILINE)) for one, text in guides.items()}
    assert len(set(headings.values())) == 1, headings
    said = " ".join(guides[language].split())
    named = {one.rstrip(".") for one in re.findall(r"\*\*([^*]+)\*\*", said)}
    catalogue = read(language)
    assert catalogue is not None
    on_pages = {message.string or message.id for message in catalogue if isinstance(message.id, str)}
    assert named
    assert named <= on_pages, named - on_pages


def test_documents_name_no_machine_and_no_tracker() -> None:
    assert not re.search(r"/work/|/root/|\bissue #?[0-9]|\b#[0-9]+\b", BOTH)


def test_every_kind_of_sealed_text_is_drawn() -> None:
    drawn = FORMATS.read_text()
    for purpose in (CALLER_PURPOSE, REASON_PURPOSE, TEXT_PURPOSE, REFUSAL_PURPOSE, REQUEST_PURPOSE):
        assert re.search(rf"^    {purpose} +id of the ", drawn, re.MULTILINE), purpose
