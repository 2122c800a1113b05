"""The part of `check` that asks the S3 store: is it there, may recordings be in it, can they be destroyed again?

Nothing is put there and nothing removed.
"""

from collections.abc import Iterator

from ari_recorder.config import Config, ConfigError
from ari_recorder.domain.errors import ObjectStoreOutside, ObjectStoreUnfit, RecorderError
from ari_recorder.services import object_store
from ari_recorder.services.findings import Area, Finding, fail, ok

_VERSIONS = {"Enabled": "its versions go with a recording", "Suspended": "older versions go with a recording"}


def check(config: Config) -> list[Finding]:
    return list(_check(config))


def _check(config: Config) -> Iterator[Finding]:
    try:
        store = object_store.of(config)
        if store is None:
            return
        facts = object_store.fit(store)
    except ConfigError:
        return  # told with the other secrets
    except (ObjectStoreOutside, ObjectStoreUnfit) as error:
        yield fail(Area.OBJECT_STORE, str(error), "The service does not start with it")
    except RecorderError as error:
        yield fail(Area.OBJECT_STORE, str(error), "Until then recordings are on this host only")
    else:
        versions = _VERSIONS.get(facts.versioning, "it keeps no versions")
        where = f"in {config.s3.country}, which is in the EU or EEA"
        yield ok(Area.OBJECT_STORE, f"{store.place.name}: reachable, {where}; no Object Lock; {versions}")
