"""docs/install.md, word by word, on a Debian fresh from its installer, with systemd; and what goes wrong with units."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.hosts.first_call import CALLER_ID, WORLD_PORT
from tests.hosts.host import Host, ensure_base
from tests.installing import ROOT

# A host is made, a call made and heard: what waits for code and announcement is most of it.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="a host of its own, with mounts and a network, is made by root"),
]

INSTALL = ROOT / "docs" / "install.md"
SPOOL = "run-ari\\x2drecorder-spool.mount"
NUMBER = "0800123456"
# The PBX as it was before anybody thought of recording.
PJSIP = f"""
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:5060

[operator]
type = endpoint
context = from-operator
transport = udp
disallow = all
allow = alaw
aors = operator

[operator]
type = aor
contact = sip:127.0.0.1:{WORLD_PORT}

[operator]
type = identify
endpoint = operator
match = 127.0.0.1
"""
PHONE = f"""
[{{number}}]
type = endpoint
context = inside
transport = udp
disallow = all
allow = alaw
aors = {{number}}

[{{number}}]
type = aor
contact = sip:{{number}}@127.0.0.1:{WORLD_PORT}
"""


def steps() -> dict[int, str]:
    """The commands of each numbered section."""
    sections = re.split(r"^## (\d+)\. ", INSTALL.read_text(), flags=re.MULTILINE)
    return {
        int(number): "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        for number, text in zip(sections[1::2], sections[2::2], strict=True)
    }


def as_typed(*numbers: int) -> str:
    """In one shell, which stops at the first command that fails."""
    return "shopt -s expand_aliases\n" + "".join(steps()[number] for number in numbers)


ARI = "\n".join(line for line in steps()[5].splitlines() if line.startswith("alias"))


def ari(host: Host, words: str, *, code: int = 0) -> Any:
    """What a command says, as JSON."""
    _, said = host.run(f"shopt -s expand_aliases\n{ARI}\nari {words} --json", code=code)
    return json.loads(said)


def snapshot(folder: Path) -> None:
    """This source as a repository, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    folder.mkdir(parents=True)
    there = "\0".join(name for name in listed.stdout.split("\0") if name and (ROOT / name).exists())
    tar = f"tar --create --null --files-from=- | tar --extract --directory={folder}"
    subprocess.run(["sh", "-c", tar], input=there, cwd=ROOT, text=True, check=True)
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "as it is"]):
        subprocess.run(["git", *command], cwd=folder, check=True)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Booted, with the package of this source installed by the steps of the page, and its `check` content."""
    host = Host(tmp_path_factory.mktemp("host"), ensure_base())
    phones = "".join(PHONE.format(number=number) for number in ("1001", "1002"))
    host.prepare(f"cat >> /etc/asterisk/pjsip.conf <<'END'\n{PJSIP}{phones}\nEND")
    snapshot(host.upper / "srv" / "ari-recorder")
    host.prepare(as_typed(1).replace("<this repository>", "/srv/ari-recorder"))
    host.boot()
    try:
        host.run(as_typed(2, 3, 4, 5))
        yield host
    finally:
        host.halt()


def as_root(host: Host, words: str) -> Any:
    """Another operator than the service's user."""
    return json.loads(host.run(f"CREDENTIALS_DIRECTORY=/run/credentials/ari-recorder.service ari-recorder {words}")[1])


def in_its_network(host: Host, module: str, *arguments: str, given: str = "") -> Any:
    """A program of the tests beside the host, on its loopback."""
    command = ["nsenter", f"--target={host.pid}", "--net", sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=180, input=given)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def the_call(host: Host, within: float = 20) -> Any:
    """The first call as the ledger has it, when it has the last word."""
    deadline = time.monotonic() + within
    while True:
        (row,) = ari(host, "ledger")["calls"]
        if row["verdict"]["state"] != "pending" or time.monotonic() > deadline:
            return row
        time.sleep(0.5)


@pytest.fixture(scope="module")
def called(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Somebody has called, and an adviser has flagged it: what the phones know."""
    return in_its_network(host, "tests.hosts.first_call", str(tmp_path_factory.mktemp("world")), NUMBER)


def test_the_first_call_is_announced_recorded_and_in_the_ledger(host: Host, called: Any) -> None:
    assert called["announced"] > 20, "the announcement in two languages"
    row = the_call(host)
    assert (row["verdict"]["state"], row["flagged"]) == ("recorded", True)
    heard = TypeAdapter(timedelta).validate_python(row["heard"])
    assert abs(heard.total_seconds() - called["talked"]) < 1
    assert "sealed" in host.run(as_typed(5, 6))[1]
    assert ".sln" not in host.run("ls -AR /run/ari-recorder/spool")[1]


def test_the_first_persons_come_in_and_one_of_them_hears_the_call(host: Host, called: Any, tmp_path: Path) -> None:
    the_call(host)
    assert re.search(r"^[\w-]{43}$", host.run(as_typed(5, 7))[1], re.MULTILINE), "a token"
    made = ari(host, "user create sten --full-name 'Sten Supervisor' --language en")
    ari(host, "user set-unit service --queue advice --why 'as it is'")
    right = ari(host, "user grant sten --role supervisor --unit service --why 'works here'")
    as_root(host, f"user approve {right['id']} --json")
    listener = ("tests.hosts.first_listener", str(tmp_path))
    sten = in_its_network(host, *listener, "enrol", "sten", made["token"])
    as_root(host, "user confirm sten --why 'came in person' --json")
    heard = in_its_network(host, *listener, "listen", CALLER_ID, given=json.dumps(sten))
    assert heard["played"] > 0.5
    assert abs(heard["length"] - called["talked"]) < 1
    assert abs(heard["flag_at"] - called["talked"] / 2) < 1


# --- what goes wrong with units


def failing(host: Host) -> str:
    """Started, the service ends: what the journal has of that start."""
    since = host.run("date +%s.%N")[1].strip()
    host.run("systemctl reset-failed ari-recorder; systemctl start ari-recorder", code=None)
    state = host.run("systemctl is-active ari-recorder", code=None)[1].strip()
    host.run("systemctl stop ari-recorder")
    assert state != "active"
    return host.run(f"journalctl -o cat --since=@{since}")[1]


@pytest.fixture
def kept(host: Host, called: Any) -> Iterator[Any]:
    """What there is to lose, and after the test: everything as it was, and the service well."""
    the_call(host)
    before = ari(host, "recordings list")
    assert len(before) == 1
    yield before
    host.run(
        "mv /root/ami.secret /etc/ari-recorder/ 2> /dev/null || true;"
        f"systemctl unmask --runtime '{SPOOL}'; systemctl start '{SPOOL}' asterisk;"
        "chown asterisk /run/ari-recorder/spool;"
        "systemctl reset-failed ari-recorder; systemctl start ari-recorder",
        code=None,
    )
    host.run(as_typed(5))
    assert ari(host, "recordings list") == before


def test_without_a_credential_it_does_not_start_and_says_so(host: Host, kept: Any) -> None:
    host.run("systemctl stop ari-recorder; mv /etc/ari-recorder/ami.secret /root/")
    assert "Failed to set up credentials" in failing(host)


def test_without_its_spool_it_does_not_start(host: Host, kept: Any) -> None:
    host.run(f"systemctl stop ari-recorder asterisk '{SPOOL}'; systemctl mask --runtime '{SPOOL}'")
    host.run("systemctl start ari-recorder", code=1)


def test_a_spool_of_another_owner_is_told_by_check(host: Host, kept: Any) -> None:
    host.run("chown root /run/ari-recorder/spool")
    found = ari(host, "check", code=3)
    (spool,) = (one for one in found["findings"] if one["level"] == "fail")
    assert "Asterisk, as asterisk, may not write" in spool["what"]


def test_state_of_another_owner_is_given_back(host: Host, kept: Any) -> None:
    """systemd does that for a StateDirectory."""
    host.run("systemctl stop ari-recorder; chown root:root /var/lib/ari-recorder; systemctl start ari-recorder")


def test_on_a_full_disk_it_tells_and_nothing_is_lost(host: Host, kept: Any) -> None:
    """There is no byte left when it starts. It gives up its reserve; where its PostgreSQL wants more than that, it does
    not start, and says why. With room it is well by itself."""
    host.run(
        "systemctl stop ari-recorder; cp -a /var/lib/ari-recorder /root/kept;"
        "mount -t tmpfs -o mode=700,size=$(( $(du -sm /root/kept | cut -f1) + 2 ))M tmpfs /var/lib/ari-recorder;"
        "cp -a /root/kept/. /var/lib/ari-recorder/;"
        "dd if=/dev/zero of=/var/lib/ari-recorder/filling bs=1M 2> /dev/null || true"
    )
    try:
        since = host.run("date +%s.%N")[1].strip()
        host.run("systemctl start ari-recorder", code=None)
        said = host.run(f"journalctl -u ari-recorder -o cat --since=@{since}")[1]
        assert '"disk-trouble"' in said or "No space left" in said, said
        host.run("rm /var/lib/ari-recorder/filling; mount -o remount,size=8G /var/lib/ari-recorder")
        host.run(as_typed(5))
        assert ari(host, "recordings list") == kept
    finally:
        host.run("systemctl stop ari-recorder; umount /var/lib/ari-recorder; rm -r /root/kept")


def test_with_a_clock_of_1970_it_does_not_start_and_says_so(host: Host, kept: Any) -> None:
    host.run(
        "systemctl stop ari-recorder; mkdir -p /run/systemd/system/ari-recorder.service.d;"
        "library=$(dpkg -L libfaketime | grep /libfaketime.so.1);"
        "printf \"[Service]\\nEnvironment=LD_PRELOAD=%s 'FAKETIME=@1970-01-01 00:00:10'\\n\" $library"
        "> /run/systemd/system/ari-recorder.service.d/clock.conf; systemctl daemon-reload"
    )
    try:
        said = failing(host)
    finally:
        host.run("rm -r /run/systemd/system/ari-recorder.service.d; systemctl daemon-reload")
    assert "This host's clock says 1970-01-01 00:00:" in said


def test_a_backup_is_made_by_its_timers_unit(host: Host, kept: Any) -> None:
    host.run("systemctl start ari-recorder-backup.service")
    assert {"database.dump", "keys", "manifest.json"} <= set(host.run("ls /var/backups/ari-recorder/*/")[1].split())


def test_removed_and_installed_again_it_has_what_it_had(host: Host, kept: Any) -> None:
    host.run("apt remove --yes ari-recorder")
    host.run("systemctl start ari-recorder", code=5)  # there is no such unit
    host.run("apt install --yes /root/ari-recorder/dist/ari-recorder_*.deb && systemctl enable --now ari-recorder")
    assert ari(host, "recordings list") == kept


def test_when_the_host_ends_at_once_everything_is_there_again_by_itself(host: Host, kept: Any) -> None:
    host.halt()
    host.boot()
    active = "systemctl is-active asterisk ari-recorder"
    deadline = time.monotonic() + 60
    while host.run(active, code=None)[0] and time.monotonic() < deadline:
        time.sleep(0.5)
    host.run(active)
    assert ari(host, "recordings list") == kept
