"""What the tests of the lab share."""

from tests.lab.fixtures import fresh_heartbeat, lab

__all__ = ["fresh_heartbeat", "lab"]
