"""What of panoramisk 1.4 our AMI classes stand on or replace. When a new release changes it: read it anew."""

import ast
import importlib.metadata
import inspect
from pathlib import Path

import pytest
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

import ari_recorder
from ari_recorder.asterisk.ami_link import AmiLink
from ari_recorder.asterisk.ami_protocol import AmiAction, AmiProtocol

SIGNATURES = {
    AMIProtocol: {
        "connection_made": "(self, transport)",
        "send": "(self, data, as_list=False)",
        "data_received": "(self, data)",
        "handle_message": "(self, message)",
        "connection_lost": "(self, exc)",
        "close": "(self)",
    },
    Manager: {
        "__init__": "(self, **config)",
        "connection_made": "(self, f)",
        "login": "(self, future)",
        "ping": "(self)",
        "send_awaiting_actions": "(self, *_)",
        "send_action": "(self, action, as_list=None, **kwargs)",
        "send_command": "(self, command, as_list=False)",
        "send_agi_command": "(self, channel, command, as_list=False)",
        "connect": "(self, run_forever=False, on_startup=None, on_shutdown=None)",
        "run_forever": "(self, on_startup, on_shutdown)",
        "register_event": "(self, pattern, callback=None)",
        "dispatch": "(self, event)",
        "close": "(self)",
        "connection_lost": "(self, exc)",
    },
    Action: {"__init__": "(self, *args, **kwargs)", "__str__": "(self)", "add_message": "(self, message)"},
}


def test_the_library_is_the_release_that_was_read() -> None:
    assert importlib.metadata.version("panoramisk") == "1.4"


@pytest.mark.parametrize("base", SIGNATURES, ids=lambda base: str(base.__name__))
def test_the_methods_of_the_library_are_those_that_were_read(base: type) -> None:
    found = {name: str(inspect.signature(member)) for name, member in vars(base).items() if inspect.isfunction(member)}
    assert found == SIGNATURES[base]


def test_every_method_that_acts_by_itself_is_replaced() -> None:
    kept = {"__init__", "send_command", "send_agi_command", "run_forever", "register_event"}
    assert set(SIGNATURES[Manager]) - kept <= set(vars(AmiLink))
    assert set(SIGNATURES[AMIProtocol]) <= set(vars(AmiProtocol))
    assert set(SIGNATURES[Action]) <= set(vars(AmiAction))


async def test_what_is_kept_of_the_library_cannot_send() -> None:
    link = AmiLink.__new__(AmiLink)
    for call in (
        lambda: link.send_command("core show version"),
        lambda: link.send_agi_command("x", "y"),
        lambda: link.send_action({}),
        lambda: link.connect(),
        lambda: link.ping(),
        lambda: link.connection_made(None),
    ):
        with pytest.raises(TypeError):
            call()


def test_the_library_appears_in_the_ami_files_alone() -> None:
    package = Path(ari_recorder.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "panoramisk" for name in names):
                users.add(path.relative_to(package).as_posix())
    assert users == {"asterisk/ami_link.py", "asterisk/ami_protocol.py"}
