"""Errors whose words are for whoever is at the command line or reads the log: paths, services, keys of this host.

A page says of them only what kind they are, in the user's language, with their code. They are in no catalogue.
"""

OPERATORS = frozenset(
    """
    recording_too_long sealed_truncated sealed_foreign sealed_damaged sealed_differs sealed_missing sealed_unreadable
    sealed_already seal_not_verified vault_path_refused vault_write_failed
    keyring_missing keyring_exists recordings_need_keys keyring_unreadable keyring_exposed keyring_damaged
    keyring_foreign keyring_newer keyring_write_failed key_name_refused key_in_use rewrap_failed backup_target_refused
    root_key_missing root_key_exposed root_key_unfit root_key_write_failed root_key_wrong root_key_unusable
    root_key_elsewhere passphrase_weak passphrase_needed passphrase_file_unusable
    not_wrapped wrapped_key_refused sealed_text_refused part_unusable nothing_captured audio_not_encoded
    audio_unreadable
    spool_file_refused spool_name_refused spool_unusable spool_in_use
    ami_unreachable ami_login_refused tls_unusable ami_lost ami_not_live ami_value_refused ami_action_refused
    ami_outcome_unknown
    database_address_refused database_login_refused database_missing database_too_old database_unreachable
    database_slow database_read_only database_full database_right_missing database_newer database_not_ready
    migration_changed migration_blocked
    embedded_missing embedded_needs_user embedded_foreign embedded_socket_refused embedded_failed
    journal_in_use journal_unusable journal_newer journal_write_failed
    queue_log_unreadable export_target_refused
    service_away service_refused folder_unusable
    login_key_unusable totp_secret_refused blocklist_unusable
    web_address_taken web_certificate_unusable
    """.split()
)
