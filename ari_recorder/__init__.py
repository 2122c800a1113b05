"""Call recording beside an Asterisk PBX. Start reading at daemon.py; DESIGN is in README.md."""
