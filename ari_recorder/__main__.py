"""`python -m ari_recorder` is `ari-recorder`."""

from ari_recorder.cli import main

main()
