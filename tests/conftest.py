"""What all tests share: a real PostgreSQL, when a test asks for one."""

pytest_plugins = ["tests.database"]
