"""What all tests share: a real PostgreSQL, when a test asks for one; and the order in which they are given out."""

import pytest

pytest_plugins = ["tests.database"]


@pytest.hookimpl(trylast=True)  # pytest-randomly has shuffled them before
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those with real calls begin, and wait for most of their time: others have the processor meanwhile. At the end
    nobody would."""
    items.sort(key=lambda item: item.get_closest_marker("pbx") is None)
