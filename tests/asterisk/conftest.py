"""What the tests of asterisk/ share: the lab, for those that are marked pbx."""

from tests.lab.fixtures import fresh_heartbeat, lab

__all__ = ["fresh_heartbeat", "lab"]
