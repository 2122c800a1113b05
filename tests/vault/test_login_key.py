import base64
import os
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from ari_recorder.domain.errors import LoginKeyUnusable, SealedWordRefused, TotpSecretRefused
from ari_recorder.vault.login_key import LoginKey


def test_a_sealed_secret_opens_for_its_account_only(tmp_path: Path) -> None:
    key, account = LoginKey(tmp_path / "login.key"), uuid4()
    key.make()
    sealed = key.seal(b"s" * 20, account)
    assert LoginKey(tmp_path / "login.key").open(sealed, account) == b"s" * 20
    with pytest.raises(TotpSecretRefused):
        key.open(sealed, uuid4())


def test_a_changed_secret_does_not_open(tmp_path: Path) -> None:
    key, account = LoginKey(tmp_path / "login.key"), uuid4()
    key.make()
    sealed = key.seal(b"s" * 20, account)
    assert b"s" * 4 not in sealed
    for n in range(len(sealed)):
        changed = bytearray(sealed)
        changed[n] ^= 1
        with pytest.raises(TotpSecretRefused):
            key.open(bytes(changed), account)
        with pytest.raises(TotpSecretRefused):
            key.open(sealed[:n], account)


def test_a_sealed_word_opens_for_who_asked_only_and_says_nothing(tmp_path: Path) -> None:
    key, account = LoginKey(tmp_path / "login.key"), uuid4()
    key.make()
    word = key.seal_word("+358401234567", account)
    assert key.open_word(word, account) == "+358401234567"
    assert word != key.seal_word("+358401234567", account)
    assert quote(word, safe="") == word
    with pytest.raises(SealedWordRefused):
        key.open_word(word, uuid4())
    for n in range(len(word)):
        with pytest.raises(SealedWordRefused):
            key.open_word(word[:n], account)
    for text in ("", "a", "ä", "====", "A" * 100):
        with pytest.raises(SealedWordRefused):
            key.open_word(text, account)
    # What is sealed for one use does not open for the other.
    with pytest.raises(SealedWordRefused):
        key.open_word(base64.urlsafe_b64encode(key.seal(b"s" * 20, account)).decode().rstrip("="), account)


def test_a_key_that_is_missing_exposed_or_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "login.key"
    with pytest.raises(LoginKeyUnusable, match="it is missing"):
        LoginKey(path).seal(b"s", uuid4())
    LoginKey(path).make()
    first = path.read_bytes()
    LoginKey(path).make()
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    os.chmod(path, 0o640)
    with pytest.raises(LoginKeyUnusable, match="others can read it"):
        LoginKey(path).seal(b"s", uuid4())
    os.chmod(path, 0o600)
    path.write_bytes(b"short")
    with pytest.raises(LoginKeyUnusable, match="5 bytes"):
        LoginKey(path).seal(b"s", uuid4())
    with pytest.raises(LoginKeyUnusable):
        LoginKey(tmp_path / "login.key" / "below").make()
