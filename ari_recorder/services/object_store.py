"""The S3 store of the configuration: made once, refused where recordings must not be. What it does:
vault/object_store.py."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import structlog

from ari_recorder.config import Config
from ari_recorder.domain.errors import ObjectStoreOutside, ObjectStoreUnfit, Unavailable
from ari_recorder.domain.object_store import BucketFacts, why_outside, why_unfit
from ari_recorder.vault.object_store import ObjectStore, Place

log = structlog.get_logger(__name__)

START_SECONDS = 3.0


def host() -> str:
    """This host, as rows tell whose vault has a file."""
    return socket.gethostname()


def of(config: Config) -> ObjectStore | None:
    """None without `[s3]`. ObjectStoreOutside when it is not in the EU or EEA; ConfigError when a key cannot be read.
    Nobody is spoken to."""
    s3, keys = config.s3, config.s3_keys()
    if keys is None or s3.bucket is None or s3.endpoint is None:
        return None
    place = Place(endpoint=s3.endpoint, bucket=s3.bucket, region=s3.region, prefix=s3.prefix, ca_file=s3.ca_file)
    if (because := why_outside(place.host, place.region, s3.country or "")) is not None:
        raise ObjectStoreOutside(name=place.name, reason=because)
    return ObjectStore(place, keys)


def fit(store: ObjectStore) -> BucketFacts:
    """What its bucket says of itself. ObjectStoreUnfit when nothing may be put there. Blocks."""
    facts = store.examine()
    if (because := why_unfit(facts, store.place.host, store.place.region)) is not None:
        raise ObjectStoreUnfit(name=store.place.name, reason=because)
    return facts


async def fit_or_away(store: ObjectStore) -> None:
    """At the start: a bucket that is not fit stops it. A store that does not answer now, or not soon, does not: calls
    do not wait for it, and nothing is put there before it was looked at (services/uploads.py)."""
    apart = ThreadPoolExecutor(1, "s3-start")
    try:
        looking = asyncio.get_running_loop().run_in_executor(apart, fit, store)
        await asyncio.wait_for(looking, START_SECONDS)
    except TimeoutError:
        log.warning("object_store_away", code="object_store_away", because="it does not answer soon")
    except Unavailable as error:
        log.warning("object_store_away", code=error.code, because=str(error))
    finally:
        apart.shutdown(wait=False)
