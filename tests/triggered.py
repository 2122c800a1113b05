"""Which test makes each action of the audit log happen. Behind that test tests/database.py looks for the row."""

from collections.abc import Mapping

from ari_recorder.domain.audit import Action

LATER = "tests.services.test_audit_later"
READING = "tests.test_cli_reading"
EVENTS = "tests.test_audit_events"
KEYS = "tests.services.test_key_control:test_a_wrong_passphrase_has_the_code_it_has_without_a_service"
LISTENING = "tests.services.test_listenings"
EXPORTS = "tests.services.test_export_desk"
REQUESTS = "tests.services.test_subject_requests"
DELIVERIES = "tests.web.test_deliveries"
LOGIN = "tests.services.test_login"
SESSIONS = "tests.services.test_sessions"
ENROL = "tests.services.test_enrol"
OWNERS = "tests.services.test_owners"
RIGHTS = "tests.services.test_rights"
APPROVALS = "tests.services.test_approvals"
USE = "tests.services.test_use"
LOG = "tests.services.test_audit_log"
CLI = "tests.test_cli_audit"
BREACHES = "tests.services.test_breaches:test_whatever_is_done_is_on_record_and_no_caller_is_in_it"
TRIGGERED: Mapping[Action, str] = {
    Action.HOLD_PLACE: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.HOLD_EXTEND: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.HOLD_RELEASE: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.FREEZE_OPEN: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.FREEZE_CLOSE: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.RESTRICTION_SET: "tests.services.test_restrictions:test_it_is_set_and_lifted_with_who_and_why",
    Action.RESTRICTION_LIFT: "tests.services.test_restrictions:test_it_is_set_and_lifted_with_who_and_why",
    Action.FLAG_DECIDE: f"{EVENTS}:test_holds_freezes_and_decisions",
    Action.RECORDING_EXPORT: f"{EVENTS}:test_an_export_in_clear",
    Action.RECORDING_EXPORTED: f"{EXPORTS}:test_what_was_sent_is_in_the_audit_log_before_and_after",
    Action.RECORDING_HAND_OVER: "tests.test_cli_deliveries:test_what_is_handed_over_is_in_the_log_of_disclosures",
    Action.DELIVERY_MAKE: f"{DELIVERIES}:test_a_package_is_fetched_once_and_then_it_is_gone",
    Action.DELIVERY_TRY: f"{DELIVERIES}:test_ten_wrong_passphrases_close_the_link",
    Action.DELIVERY_OPEN: f"{DELIVERIES}:test_a_package_is_fetched_once_and_then_it_is_gone",
    Action.DELIVERY_SEND: f"{DELIVERIES}:test_a_package_is_fetched_once_and_then_it_is_gone",
    Action.DELIVERY_END: f"{DELIVERIES}:test_a_package_is_fetched_once_and_then_it_is_gone",
    Action.RECORDING_VERIFY: f"{READING}:test_whatever_is_read_is_on_record",
    Action.CERTIFICATE_READ: f"{READING}:test_whatever_is_read_is_on_record",
    Action.REFUSAL_ISSUE: "tests.services.test_refusal_certificates:test_it_is_kept_as_it_was_given_out",
    Action.REFUSAL_READ: "tests.services.test_refusal_certificates:test_it_is_kept_as_it_was_given_out",
    Action.REQUEST_OPEN: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_IDENTITY: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_MATCH: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_CONFIRM: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_DECIDE: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_HAND_OVER: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_CLOSE: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_RELEASE: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_READ: f"{REQUESTS}:test_an_access_request_from_the_letter_to_the_closed_case",
    Action.REQUEST_REFUSE: f"{REQUESTS}:test_a_refused_request_closes_with_its_certificate_alone",
    Action.REQUEST_EXTEND: "tests.services.test_request_refusals:test_it_is_extended_once_and_before_the_month_is_over",
    Action.BREACH_REPORT: BREACHES,
    Action.BREACH_READ: BREACHES,
    Action.BREACH_NOTIFY: BREACHES,
    Action.BREACH_CLOSE: BREACHES,
    Action.RECORDING_ERASE: f"{EVENTS}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.SWEEP_RUN: f"{EVENTS}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.KEY_DESTROY: f"{EVENTS}:test_a_sweep_each_recording_and_the_key_of_the_day",
    Action.CLOCK_REFUSE: f"{EVENTS}:test_a_clock_that_jumped_and_who_says_it_is_right",
    Action.CLOCK_CONFIRM: f"{EVENTS}:test_a_clock_that_jumped_and_who_says_it_is_right",
    Action.POLICY_PROPOSE: f"{EVENTS}:test_rules_proposed_confirmed_and_withdrawn",
    Action.POLICY_CONFIRM: f"{EVENTS}:test_rules_proposed_confirmed_and_withdrawn",
    Action.POLICY_WITHDRAW: f"{EVENTS}:test_rules_proposed_confirmed_and_withdrawn",
    Action.RECORDING_IMPORT: "tests.test_cli_import:test_a_freepbx_site_moves_in",
    Action.IMPORT_BEGIN: "tests.test_cli_import:test_a_freepbx_site_moves_in",
    Action.IMPORT_END: "tests.test_cli_import:test_a_freepbx_site_moves_in",
    Action.RECORDING_QUARANTINE: "tests.services.test_quarantine:"
    "test_it_is_sealed_and_known_by_facts_alone_and_nothing_is_left_in_clear",
    Action.RECORDING_DAMAGE: f"{EVENTS}:test_a_file_that_rotted",
    Action.RECORDING_INCOMPLETE: f"{EVENTS}:test_a_call_of_which_a_part_is_missing_once_however_often_it_is_stored",
    Action.SERVICE_START: f"{EVENTS}:test_the_service_begins_with_another_configuration",
    Action.SERVICE_STOP: "tests.web.test_service:test_the_service_serves_its_page_and_ends_in_good_order",
    Action.CONFIG_CHANGE: f"{EVENTS}:test_the_service_begins_with_another_configuration",
    Action.QUEUE_ACTIVATE: "tests.services.test_activations:test_a_decision_is_kept_with_all_before_it",
    Action.QUEUE_END: "tests.services.test_activations:test_a_decision_is_kept_with_all_before_it",
    Action.KEYRING_MAKE: f"{EVENTS}:test_the_service_begins_with_another_configuration",
    Action.BACKUP_MAKE: "tests.services.test_restore_drill:test_a_backup_with_its_own_keys_plays_all_it_holds",
    Action.HOST_FORGET: "tests.services.test_hosts:test_a_host_that_is_gone_is_forgotten_and_one_that_lives_is_not",
    Action.BACKUP_DRILL: "tests.services.test_restore_drill:test_a_backup_with_its_own_keys_plays_all_it_holds",
    Action.BACKUP_RESTORE: "tests.services.test_restore:test_who_restored_it_is_in_the_log_that_was_restored",
    Action.KEYRING_BACKUP: f"{EVENTS}:test_a_backup_and_a_new_root_key",
    Action.KEYRING_ROTATE: f"{EVENTS}:test_a_backup_and_a_new_root_key",
    Action.KEYRING_REWRAP: "tests.services.test_key_admin:test_what_the_fallback_took_gets_the_key_of_its_day",
    Action.KEY_MAKE: f"{LATER}:test_what_happened_without_a_database_is_in_the_log_with_its_own_time",
    Action.KEYRING_UNLOCK: KEYS,
    Action.KEYRING_LOCK: KEYS,
    Action.RECORDING_PLAY: f"{LISTENING}:test_the_purpose_is_on_record_before_anything_is_opened",
    Action.RECORDING_PLAYED: f"{LISTENING}:test_what_was_sent_is_what_is_on_record",
    Action.RECORDING_LIST: "tests.services.test_search:test_a_search_is_on_record_without_the_number",
    Action.RECORDING_SEARCH: "tests.services.test_search:test_a_search_is_on_record_without_the_number",
    Action.RECORDING_VIEW: "tests.services.test_recording_page:test_everything_known_is_shown",
    Action.RECORDING_CORRECT: "tests.services.test_recording_page:test_corrections_stand_beside_their_original",
    Action.SESSION_LOGIN: f"{LOGIN}:test_name_password_and_code_let_in",
    Action.SESSION_SECOND_STEP: f"{LOGIN}:test_whatever_is_wrong_the_answer_is_the_same_and_it_is_on_record",
    Action.SESSION_LOCKOUT: f"{LOGIN}:test_ten_thousand_guesses_are_a_hundred_at_most_and_the_owner_comes_in_meanwhile",
    Action.SESSION_LOGOUT: f"{SESSIONS}:test_after_log_out_the_cookie_is_worth_nothing",
    Action.SESSION_END: f"{SESSIONS}:test_users_see_and_end_their_own_sessions_and_nobody_elses",
    Action.SESSION_STEP_UP: f"{SESSIONS}:test_a_step_up_makes_a_new_token_and_lasts_five_minutes",
    Action.TOKEN_MAKE: f"{SESSIONS}:test_a_machine_works_with_its_token_in_its_unit_and_never_steps_up",
    Action.TOKEN_END: f"{SESSIONS}:test_a_machine_works_with_its_token_in_its_unit_and_never_steps_up",
    Action.ACCOUNT_CREATE: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_INVITE: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_ENROL: f"{ENROL}:test_a_link_is_good_once",
    Action.ACCOUNT_RESET: f"{ENROL}:test_a_reset_takes_both_factors_and_keeps_the_rights",
    Action.ACCOUNT_CONFIRM: f"{OWNERS}:test_after_a_reset_rights_wait_for_somebody_else",
    Action.ACCOUNT_DISABLE: f"{ENROL}:test_who_comes_back_has_no_rights_from_before",
    Action.ACCOUNT_ENABLE: f"{ENROL}:test_who_comes_back_has_no_rights_from_before",
    Action.ACCOUNT_CHANGE: f"{ENROL}:test_facts_of_an_account_can_be_changed_but_not_its_name",
    Action.UNIT_CHANGE: f"{RIGHTS}:test_units_are_named_sets_of_queues_with_a_history",
    Action.UNIT_ASK: f"{RIGHTS}:test_who_approves_approves_what_was_seen",
    Action.UNIT_REFUSE: f"{RIGHTS}:test_who_approves_approves_what_was_seen",
    Action.RIGHT_GRANT: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_APPROVE: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_ATTEST: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.RIGHT_END: f"{RIGHTS}:test_each_change_is_on_record_with_who_and_for_whom",
    Action.APPROVAL_ASK: f"{APPROVALS}:test_every_step_is_on_record",
    Action.APPROVAL_GIVE: f"{APPROVALS}:test_one_asks_another_agrees_and_the_first_does_it_once",
    Action.APPROVAL_REFUSE: f"{APPROVALS}:test_every_step_is_on_record",
    Action.ACCESS_REFUSE: "tests.web.test_refusals:test_what_is_refused_to_somebody_who_is_logged_in_is_on_record",
    Action.FLAG_ASK: "tests.web.test_review:test_a_colleague_is_asked",
    Action.LEDGER_EXPLAIN: "tests.services.test_ledger_keeper:"
    "test_an_explanation_is_of_the_own_unit_once_and_on_record",
    Action.LEDGER_CLOSE: "tests.services.test_ledger_keeper:"
    "test_a_day_closes_when_it_is_over_and_balances_and_stands_when_the_log_is_gone",
    Action.LEDGER_VIEW: "tests.web.test_use:test_the_ledger_shows_days_and_who_looked_is_on_record",
    Action.USE_REPORT: f"{USE}:test_reading_the_report_is_on_record",
    Action.USE_SIGN: f"{USE}:test_of_two_who_sign_at_once_one_does",
    Action.AUDIT_DAY: f"{LOG}:test_without_anything_new_nothing_is_signed_but_once_a_day",
    Action.AUDIT_ROLLBACK: f"{LOG}:test_a_database_brought_back_from_a_backup_is_not_signed",
    Action.AUDIT_READ: f"{CLI}:test_the_log_is_listed_shown_and_reading_it_is_an_entry",
    Action.AUDIT_EXPORT: f"{CLI}:test_what_is_signed_exported_and_proven_the_tool_believes",
    Action.AUDIT_PROVE: f"{CLI}:test_what_is_signed_exported_and_proven_the_tool_believes",
    Action.AUDIT_VERIFY: f"{CLI}:test_what_a_superuser_did_is_found_with_exit_code_3",
}


def wanted_behind(module: str, test: str) -> frozenset[Action]:
    """What this test has to leave in the log."""
    return frozenset(action for action, place in TRIGGERED.items() if place == f"{module}:{test}")
