"""What the tests of the lab share."""

from tests.browser.fixtures import browser, contexts
from tests.lab.fixtures import fresh_heartbeat, lab, service

__all__ = ["browser", "contexts", "fresh_heartbeat", "lab", "service"]
