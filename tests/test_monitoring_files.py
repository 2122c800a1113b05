"""The shipped alert rules, read and tried by Prometheus's own tool."""

import re
import subprocess

import pytest

from tests import debian
from tests.docs_parts import OPERATIONS, ROOT

FOLDER = ROOT / "docs" / "monitoring"


@pytest.mark.parametrize("words", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")])
def test_prometheus_understands_the_rules_and_each_speaks_when_it_should(words: tuple[str, ...]) -> None:
    promtool = debian.ensure_tree(debian.PROMETHEUS).root / "usr" / "bin" / "promtool"
    done = subprocess.run([promtool, *words], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_is_tried() -> None:
    rules = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text()))
    assert rules
    assert set(re.findall(r"alertname: (\w+)", (FOLDER / "alerts_test.yml").read_text())) == rules


def test_each_rule_leads_to_a_paragraph_that_ends_it() -> None:
    text = OPERATIONS.read_text()
    for anchor in re.findall(r"operations\.md#([\w-]+)", (FOLDER / "alerts.yml").read_text()):
        # The alarm's own name is put in by Prometheus.
        assert f'<a id="{anchor}' in text, anchor
