"""Builds what answers persons and gives account of what is done with what was recorded of them, from the configuration.
What it stands on: connect.py.
"""

from ari_recorder.config import Config
from ari_recorder.services import connect, object_store, refusal_templates
from ari_recorder.services.breaches import Breaches
from ari_recorder.services.clock import Clocks
from ari_recorder.services.packages import Packages
from ari_recorder.services.past import PastDesk
from ari_recorder.services.records import Records
from ari_recorder.services.refusal_certificates import RefusalDesk
from ari_recorder.services.restrictions import Restrictions
from ari_recorder.services.subject_requests import SubjectRequests
from ari_recorder.storage.db import Database
from ari_recorder.vault.files import VaultFiles
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault


def refusal_desk(config: Config, keys: Keyring) -> RefusalDesk:
    """TemplateRefused names the template that cannot be used: before anybody is answered with it."""
    return RefusalDesk(
        keyring=keys,
        templates=refusal_templates.load(config.papers.templates),
        offices=refusal_templates.offices(config.controller),
    )


def packages(config: Config, opened: Database, keys: Keyring, clocks: Clocks | None = None) -> Packages:
    return Packages(
        database=opened,
        vault=Vault(VaultFiles(config.storage.vault, object_store.of(config)), keys, config.pbx.spool),
        keyring=keys,
        policies=connect.policies(config, opened),
        offices=refusal_templates.offices(config.controller),
        bases=connect.bases(config),
        clocks=clocks or Clocks(),
    )


def subject_requests(config: Config, opened: Database, keys: Keyring, clocks: Clocks | None = None) -> SubjectRequests:
    return SubjectRequests(
        database=opened,
        keyring=keys,
        clocks=clocks or Clocks(),
        freeze=connect.request_freeze(opened, keys, clocks),
        refusals=refusal_desk(config, keys),
        bases=connect.bases(config),
        pace=connect.pace(config),
        appeal_days=config.requests.appeal_days,
        restrictions=restrictions(config, opened, keys, clocks),
    )


def restrictions(config: Config, opened: Database, keyring: Keyring, clocks: Clocks | None = None) -> Restrictions:
    return Restrictions(
        database=opened,
        holds=connect.holds(config, opened, keyring),
        policies=connect.policies(config, opened),
        clocks=clocks or Clocks(),
    )


def past(_: Config, opened: Database, keys: Keyring) -> PastDesk:
    return PastDesk(database=opened, keyring=keys, clocks=Clocks())


def records(config: Config, opened: Database, clocks: Clocks | None = None) -> Records:
    return Records(
        database=opened,
        notices=connect.notices(config, opened, clocks),
        approvals=connect.approvals_of(config),
        clocks=clocks or Clocks(),
    )


def breaches(config: Config, opened: Database, clocks: Clocks | None = None) -> Breaches:
    return Breaches(database=opened, notices=connect.notices(config, opened, clocks), clocks=clocks or Clocks())
