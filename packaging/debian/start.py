#!/usr/bin/python@PYTHON@ -I
"""Starts ari-recorder with what its package brought, and with nothing of PYTHONPATH or of the user's own packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "opt" / "ari-recorder" / "lib"))

from ari_recorder.cli import main

main()
