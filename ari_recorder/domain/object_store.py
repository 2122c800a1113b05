"""May recordings be in that S3 store? Decided from what was set and what the store says of its bucket."""

from dataclasses import dataclass

from ari_recorder.domain.notice import EEA

# Where Amazon's regions in the EEA are. Others that begin with "eu" are not: London, Zürich.
_OF_AMAZON = {
    "eu-central-1": "DE",
    "eu-north-1": "SE",
    "eu-south-1": "IT",
    "eu-south-2": "ES",
    "eu-west-1": "IE",
    "eu-west-3": "FR",
    "eusc-de-east-1": "DE",
}
_AMAZON = ("amazonaws.com", "amazonaws.com.cn", "amazonaws.eu")


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """`versioning`: Enabled, Suspended, or empty where there never was any. `location`: as the store says it, if it
    does."""

    versioning: str
    object_lock: bool
    mfa_delete: bool
    replicated: bool
    location: str


def why_outside(host: str, region: str, country: str) -> str | None:
    """Why the store does not keep to the EU and the EEA, as far as settings tell."""
    if country not in EEA:
        return f"its country is {country}"
    if host.endswith(_AMAZON):
        where = _OF_AMAZON.get(region)
        if where is None:
            return f"Amazon's region {region} is not in the EU or EEA"
        if where != country:
            return f"Amazon's region {region} is in {where}, and s3.country says {country}"
        if region not in host:
            return f"{host} is not the address of the region {region}"
    return None


def why_unfit(facts: BucketFacts, host: str, region: str) -> str | None:
    """Why nothing may be put into a bucket: what is in it could not be destroyed, or would be somewhere else, too."""
    if facts.object_lock:
        return "it has Object Lock, with which nothing that is in it can be destroyed before its time"
    if facts.mfa_delete:
        return "its versions cannot be destroyed without a code that somebody types in (MFA delete)"
    if facts.replicated:
        return "it is copied to another bucket, where this service destroys nothing (replication)"
    if host.endswith(_AMAZON) and facts.location != region:
        return f"it is in the region {facts.location}, and s3.region says {region}"
    return None
