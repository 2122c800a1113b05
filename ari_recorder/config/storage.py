"""Which folders the service has, and what lies in each."""

from pathlib import Path

from pydantic import Field

from ari_recorder.config.values import AbsolutePath, SecretFile, Section


class Storage(Section):
    """Where this service keeps what it has."""

    state: AbsolutePath = Field(
        description="The folder of the journal, the keys and, without `database`, a PostgreSQL of the service's own.",
        examples=["/var/lib/ari-recorder"],
    )
    shared: AbsolutePath = Field(
        default_factory=lambda data: data["state"],
        description="With several hosts, the folder that those with the role `web` or `sweep` share: the keys of "
        "log-in and audit log, packages that wait, and without `vault` and `keys` those too; without it, `state`.",
        examples=["/mnt/ari-recorder"],
    )
    vault: AbsolutePath = Field(
        default_factory=lambda data: data["shared"] / "vault",
        description="The folder of the sealed recordings; without it, `vault` in `shared`.",
        examples=["/srv/ari-recorder/vault"],
    )
    keys: AbsolutePath = Field(
        default_factory=lambda data: data["shared"] / "keys",
        description="The folder of the keys; without it, `keys` in `shared`. Back it up apart from the vault.",
        examples=["/var/lib/ari-recorder/keys"],
    )
    root_key: SecretFile = Field(
        default_factory=lambda data: str(data["state"] / "root.key"),
        description="The file that opens the keys: 32 random bytes, made at the first start; or the name of a systemd "
        "credential. Without it, `root.key` in `state`. Not used when the keyring was made with a passphrase.",
        examples=["/etc/ari-recorder/root.key"],
    )

    @property
    def journal(self) -> Path:
        return self.state / "journal"

    @property
    def database(self) -> Path:
        """Of the PostgreSQL of our own."""
        return self.state / "database"

    @property
    def timelines(self) -> Path:
        """Of the newest timeline that was seen of a database of several servers."""
        return self.state / "database-timelines"

    @property
    def login_key(self) -> Path:
        """Apart from `keys`: people log in while those are locked."""
        return self.shared / "login.key"

    @property
    def control(self) -> Path:
        """Of the socket on which the running service hears commands."""
        return self.state / "control.sock"

    @property
    def web(self) -> Path:
        """Of the certificate that the service made for its page itself."""
        return self.state / "web"

    @property
    def audit(self) -> Path:
        """Of the key that signs the audit log."""
        return self.shared / "audit"

    @property
    def later(self) -> Path:
        """Of entries of this host that the audit log has not got yet."""
        return self.state / "audit"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def deliveries(self) -> Path:
        """Of packages that wait to be fetched."""
        return self.shared / "deliveries"

    @property
    def alarms(self) -> Path:
        """Of alarms that a receiver has not got yet."""
        return self.state / "alarms"
