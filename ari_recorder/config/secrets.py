"""Secrets: each alone in a file of its own, or a systemd credential. Never in the environment or an argument."""

import os
from pathlib import Path


class SecretUnusable(Exception):
    def __init__(self, what: str, mend: str) -> None:
        self.what = what
        self.mend = mend


def path_of(reference: str) -> Path:
    """Where the secret lies."""
    if reference.startswith("/"):
        return Path(reference)
    # systemd puts each credential of a unit into a file of this folder (systemd.exec, LoadCredential=).
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise SecretUnusable(
            "it names a systemd credential, but systemd gave this process none",
            "Add LoadCredential= to the unit, or write an absolute path here",
        )
    return Path(folder) / reference


def read(reference: str) -> str:
    path = path_of(reference)
    where = str(path) if reference.startswith("/") else "the credential"
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        raise SecretUnusable(f"{where} does not exist", "Write the secret alone into that file, mode 0600") from None
    except OSError as error:
        raise SecretUnusable(
            f"{where} cannot be read: {error.strerror}", "Let the user of this service, and nobody else, read it"
        ) from None
    except UnicodeDecodeError:
        raise SecretUnusable(f"{where} is not UTF-8 text", "Write the secret alone into that file") from None
    if mode & 0o007:
        raise SecretUnusable(f"everybody on this host can use {where} (mode {mode:04o})", f"chmod 600 {where}")
    secret = text.strip()
    if not secret:
        raise SecretUnusable(f"{where} is empty", "Write the secret alone into that file")
    if any(character < " " for character in secret):
        raise SecretUnusable(f"{where} holds more than one line", "Write the secret alone into that file")
    return secret
