"""config: what is read, and what a person is told about each mistake."""

import tomllib
from pathlib import Path

import pytest

from ari_recorder import config
from ari_recorder.config import ConfigError

GOOD = """
[pbx]
username = "ari-recorder"
secret_file = "/etc/ari-recorder/ami.secret"
spool = "/run/ari-recorder/spool"
sounds = "/var/lib/ari-recorder/sounds"
dialplan_secret_file = "/etc/ari-recorder/dialplan.secret"
[storage]
state = "/var/lib/ari-recorder"
[[queues]]
name = "advice"
retention = "P3M"
approved_by = "HR 14/2026, 8 §"
approved_on = "2026-10-12"
staff_informed_on = "2026-10-26"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "ari-recorder.toml"
    path.write_text(text)
    return path


def with_line(section: str, line: str) -> str:
    """GOOD with one more (or another) line in a section."""
    key = line.partition("=")[0].strip()
    out = []
    here = ""
    for old in GOOD.splitlines():
        here = old if old.startswith("[") else here
        if not (here == section and old.startswith(f"{key} =")):
            out.append(old)
        if old == section:
            out.append(line)
    if section not in out:
        out += [section, line]
    return "\n".join(out)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(written(folder, text))
    return str(caught.value)


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, GOOD))
    assert (loaded.pbx.host, loaded.pbx.port, loaded.pbx.tls) == ("127.0.0.1", 5038, False)
    assert loaded.capture.start == "ami"
    assert loaded.capture.heartbeat_seconds == 10
    assert loaded.storage.vault == Path("/var/lib/ari-recorder/vault")
    assert loaded.storage.keys == Path("/var/lib/ari-recorder/keys")
    assert loaded.dsn() is None
    assert loaded.log.json_lines
    assert loaded.source == tmp_path / "ari-recorder.toml"


def test_the_example_can_be_used_as_it_is(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, config.example()))
    assert loaded.queues[0].retention == "P3M"


def test_each_line_that_the_example_has_commented_out_can_be_used(tmp_path: Path) -> None:
    text = "\n".join(
        line.removeprefix("#") if line.startswith("#") and not line.startswith("# ") else line
        for line in config.example().splitlines()
    )
    both = refusal(tmp_path, text)
    assert both.count("\n") == 1, "only what contradicts itself: dsn with dsn_file, tls_ca_file without tls"
    assert "database.dsn: dsn_file is set too" in both
    fitting = text.replace("tls = false", "tls = true").replace("dsn_file =", "#dsn_file =")
    assert config.load(written(tmp_path, fitting)).pbx.tls


def test_every_setting_is_described_and_in_the_example() -> None:
    lines = config.example().splitlines()
    for setting in config.settings():
        assert setting.description.endswith("."), setting.key
        key = setting.key.rpartition(".")[2]
        assert any(line.lstrip("#").startswith(f"{key} = ") for line in lines), setting.key


def test_models_are_frozen(tmp_path: Path) -> None:
    loaded = config.load(written(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        loaded.pbx.port = 1


@pytest.mark.parametrize(
    ("section", "line", "expected"),
    [
        ("[pbx]", 'hots = "x"', "pbx.hots: there is no such setting. Did you mean pbx.host?"),
        ("[capture]", 'spool = "/x"', "capture.spool: there is no such setting. Did you mean pbx.spool?"),
        ("[capture]", "stat = 1", "capture.stat: there is no such setting. Did you mean capture.start?"),
        ("[storage]", "stat = 1", "storage.stat: there is no such setting. Did you mean storage.state?"),
        ("[log]", "zzz = 1", "log.zzz: there is no such setting. In [log] there are level, file, json"),
        ("[[queues]]", 'retenton = "P3M"', 'queues["advice"].retenton: there is no such setting'),
        ("[queue]", 'name = "x"', "queue: there is no such setting. Did you mean the section [queues]?"),
        ("[zzz]", "port = 1", "zzz: there is no such setting. There are the sections host, pbx, capture"),
        (
            "[host]",
            'roles = ["capture", "web", "sweep", "web"]',
            "host.roles: a role is there twice. Keep one of the two",
        ),
        ("[host]", 'roles = ["web"]', "host.roles: it does not do everything, and the database of its own is nobody"),
        ("[host]", 'name = "pbx 1"', "host.name: "),
        ("[pbx]", 'port = "5038"', "pbx.port: a whole number without quotes is wanted. Write for example: port = 5038"),
        ("[pbx]", "port = 0", "pbx.port: 0 is too little: at least 1"),
        ("[pbx]", "tls = 1", "pbx.tls: true or false, without quotes, is wanted"),
        ("[pbx]", 'username = "a b"', "pbx.username: it has a character that cannot be there"),
        ("[pbx]", 'spool = "spool"', "pbx.spool: 'spool' is not an absolute path"),
        ("[pbx]", 'spool = "/run/a b"', "pbx.spool: '/run/a b' has a character that Asterisk's dialplan"),
        ("[pbx]", "spool = 3", "pbx.spool: an absolute path in quotes is wanted"),
        ("[pbx]", 'outside = "PJSIP/x"', "pbx.outside: a list in [ ] is wanted"),
        ("[pbx]", 'outside = [""]', "pbx.outside[1]: it is empty"),
        ("[pbx]", 'tls_ca_file = "/x"', "pbx.tls_ca_file: tls is off. Set pbx.tls = true"),
        ("[capture]", 'start = "amii"', "capture.start: 'amii' is not one of 'ami' or 'dialplan'"),
        ("[capture]", "heartbeat_seconds = 20", "capture.heartbeat_seconds: 20 is too much: at most 14"),
        ("[database]", 'dsn = "mysql://x"', "database.dsn: this is not an address of a PostgreSQL database"),
        ("[[queues]]", 'retention = "P0M"', "queues[\"advice\"].retention: 'P0M' keeps nothing"),
        ("[[queues]]", 'retention = "P0Y0D"', "queues[\"advice\"].retention: 'P0Y0D' keeps nothing"),
        ("[[queues]]", 'retention = "-P3M"', "queues[\"advice\"].retention: '-P3M' is not a period"),
        ("[[queues]]", 'retention = "P"', "queues[\"advice\"].retention: 'P' is not a period"),
        ("[[queues]]", 'retention = "3 months"', 'is not a period. Write it like "P3M" (3 months)'),
        ("[[queues]]", "retention = 3", 'queues["advice"].retention: text in quotes is wanted'),
        ("[[queues]]", 'approved_on = "12.10.2026"', "queues[\"advice\"].approved_on: '12.10.2026' is not a day"),
        ("[[queues]]", 'approved_on = "2026-W42"', 'is not a day. Write it like "2026-10-12"'),
        ("[[queues]]", 'staff_informed_on = "2026-02-30"', "'2026-02-30' is not a day"),
        ("[[queues]]", 'approved_by = ""', 'queues["advice"].approved_by: it is empty'),
        ("[[queues]]", 'numbers = ["x"]', 'queues["advice"].numbers[1]: it has a character that cannot be there'),
        ("[[queues]]", 'numbers = ["1", "1"]', "queues.numbers: '1' is there twice"),
        ("[storage]", 'vault = "/run/ari-recorder/spool/v"', "storage.vault: it and pbx.spool lie one in the other"),
        ("[retention]", "sweep_every_seconds = 7200", "retention.sweep_every_seconds: 7200 is too much: at most 3600"),
    ],
)
def test_a_mistake_is_named_with_file_key_and_mend(tmp_path: Path, section: str, line: str, expected: str) -> None:
    message = refusal(tmp_path, with_line(section, line))
    assert "\n" not in message
    assert message.startswith(f"{tmp_path / 'ari-recorder.toml'}: ")
    assert expected in message


def test_a_missing_setting_is_named_with_an_example(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace('retention = "P3M"', ""))
    assert 'queues["advice"].retention: it is missing. Add for example: retention = "P3M"' in message


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD[: GOOD.index("[[queues]]")])
    assert "queues: there is no such section. Add the section [[queues]]" in message


def test_a_missing_state_is_told_once_and_not_for_what_follows_from_it(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace('state = "/var/lib/ari-recorder"', ""))
    assert "storage.state: it is missing" in message
    assert "\n" not in message


def test_two_queues_of_one_name_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD + GOOD[GOOD.index("[[queues]]") :])
    assert "queues.name: 'advice' is there twice" in message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, with_line("[pbx]", "port = 0").replace("P3M", "P0M") + "\nnumbers = 3")
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("[pbx]", 'secret = "hunter2"'),
        ("[pbx]", 'password = "hunter2"'),
        ("[pbx]", 'secret_file = "hunter2 hunter2"'),
        ("[database]", 'password = "hunter2"'),
        ("[database]", 'dsn = "postgresql://recorder:hunter2@db/recorder"'),
        ("[database]", 'dsn = "postgresql://db/recorder?password=hunter2"'),
        ("[database]", 'dsn_file = "postgresql://recorder:hunter2@db/recorder"'),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, section: str, line: str) -> None:
    message = refusal(tmp_path, with_line(section, line))
    assert "hunter2" not in message
    assert "into a file, mode 0600" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[pbx\n", "file: it is not TOML"),
        (b"[pbx]\nhost = caf\xe9\n", "byte 16: it is not UTF-8 text. Save the file as UTF-8"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "ari-recorder.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    assert expected in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        config.load(tmp_path / "none.toml")


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(tmp_path)


# --- secrets


def with_secret(folder: Path, content: str, mode: int = 0o600) -> config.Config:
    secret = folder / "secret"
    secret.write_text(content)
    secret.chmod(mode)
    text = with_line("[pbx]", f'secret_file = "{secret}"').replace("/etc/ari-recorder/dialplan.secret", str(secret))
    return config.load(written(folder, text))


def test_a_secret_is_read_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    assert with_secret(tmp_path, "hunter2\n").ami_secret() == "hunter2"


def test_a_secret_may_be_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ami").write_text("hunter2")
    (tmp_path / "ami").chmod(0o400)
    loaded = config.load(written(tmp_path, with_line("[pbx]", 'secret_file = "ami"')))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=r"pbx\.secret_file: it names a systemd credential"):
        loaded.ami_secret()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert loaded.ami_secret() == "hunter2"


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        ("", 0o600, r"pbx\.secret_file: .*secret is empty\. Write the secret alone"),
        ("one\ntwo\n", 0o600, r"holds more than one line"),
        ("hunter2", 0o644, r"everybody on this host can use .* \(mode 0644\)\. chmod 600 /"),
    ],
)
def test_an_unfit_secret_file_is_refused(tmp_path: Path, content: str, mode: int, expected: str) -> None:
    loaded = with_secret(tmp_path, content, mode)
    with pytest.raises(ConfigError, match=expected) as caught:
        loaded.ami_secret()
    assert "hunter2" not in str(caught.value)


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    loaded = with_secret(tmp_path, "x")
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match=r"pbx\.secret_file: .*/secret does not exist"):
        loaded.ami_secret()


def test_the_dialplan_secret_is_64_hexadecimal_digits(tmp_path: Path) -> None:
    assert with_secret(tmp_path, "0a" * 32 + "\n").dialplan_secret() == "0a" * 32
    for unfit in ("0a" * 31, "0A" * 32, "xy" * 32):
        with pytest.raises(ConfigError, match="64 hexadecimal digits") as caught:
            with_secret(tmp_path, unfit).dialplan_secret()
        assert unfit not in str(caught.value)


def test_an_address_with_a_password_comes_from_a_file(tmp_path: Path) -> None:
    dsn = tmp_path / "dsn"
    dsn.write_text("postgresql://recorder:hunter2@localhost/recorder\n")
    dsn.chmod(0o600)
    loaded = config.load(written(tmp_path, with_line("[database]", f'dsn_file = "{dsn}"')))
    assert loaded.dsn() == "postgresql://recorder:hunter2@localhost/recorder"
    assert "hunter2" not in repr(loaded)


def test_no_secret_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARI_RECORDER_SECRET", "PBX_SECRET", "ARI_RECORDER_PBX__USERNAME", "USERNAME"):
        monkeypatch.setenv(name, "from-environment")
    assert "from-environment" not in repr(config.load(written(tmp_path, GOOD)))


def test_the_example_is_valid_toml_with_all_sections_that_are_required() -> None:
    assert set(tomllib.loads(config.example())) == {"pbx", "storage", "queues"}


def test_mail_that_would_go_in_clear_is_refused(tmp_path: Path) -> None:
    text = GOOD + '[mail]\nhost = "mail.example.org"\nsecurity = "none"\nsender = "recorder@example.org"\n'
    assert "mail.security" in refusal(tmp_path, text)
    assert config.load(written(tmp_path, text.replace("mail.example.org", "127.0.0.1"))).mail.port == 587


REMOTE = "postgresql://recorder@db.example.org/ari_recorder"


@pytest.mark.parametrize(
    ("section", "line", "key"),
    [
        ("[pbx]", 'host = "pbx.example.org"', "pbx.tls"),
        ("[pbx]", 'host = "192.0.2.7"', "pbx.tls"),
        ("[database]", f'dsn = "{REMOTE}"', "database.dsn"),
        ("[database]", f'dsn = "{REMOTE}?sslmode=require"', "database.dsn"),
        ("[database]", 'dsn = "postgresql:///a?host=/run/postgresql,db.example.org"', "database.dsn"),
        ("[database]", 'dsn = "postgresql://localhost,db.example.org:5433/a"', "database.dsn"),
        ("[database]", 'dsn = "postgresql://[2001:db8::7]:5432/a"', "database.dsn"),
        ("[audit]", 'anchor_syslog = "udp://siem.example.org:514"', "audit.anchor_syslog"),
        ("[audit]", 'anchor_syslog = "tcp://192.0.2.7:601"', "audit.anchor_syslog"),
        ("[mail]", 'host = "mail.example.org"\nsecurity = "none"\nsender = "a@example.org"', "mail.security"),
        ("[web]", 'listen = "0.0.0.0"\ntls = false', "web.tls"),
    ],
)
def test_nothing_goes_over_a_network_in_clear(tmp_path: Path, section: str, line: str, key: str) -> None:
    assert f"{key}: " in refusal(tmp_path, with_line(section, line))


@pytest.mark.parametrize(
    "dsn",
    [
        *("postgresql:///a", "postgresql:///a?host=/run/postgresql", "postgresql://%2Frun%2Fpostgresql/a"),
        *("postgresql://u@127.0.0.1:5432/a", "postgresql://localhost/a", "postgresql://[::1]:5432/a"),
        f"{REMOTE}?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    ],
)
def test_within_this_host_and_with_a_checked_certificate_it_goes(tmp_path: Path, dsn: str) -> None:
    text = f'{GOOD}\n[database]\ndsn = "{dsn}"\n[audit]\nanchor_syslog = "udp://127.0.0.1:514"\n'
    assert config.load(written(tmp_path, text)).dsn() == dsn


def test_an_address_in_a_file_is_held_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(f"{REMOTE}\n")
    (tmp_path / "dsn").chmod(0o600)
    loaded = config.load(written(tmp_path, f'{GOOD}\n[database]\ndsn_file = "{tmp_path}/dsn"\n'))
    with pytest.raises(ConfigError, match="verify-full"):
        loaded.dsn()


def test_office_hours_are_times_of_day(tmp_path: Path) -> None:
    assert "07:00" in refusal(tmp_path, GOOD + '[use]\nopens = "7"\n')
    assert "is not a day" in refusal(tmp_path, GOOD + '[use]\nclosed_days = ["24.12."]\n')
    assert config.load(written(tmp_path, GOOD)).use.weekdays == {0, 1, 2, 3, 4}
