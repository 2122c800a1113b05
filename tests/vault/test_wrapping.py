"""Wrapped data keys and sealed texts: the format, and that nothing changed, moved or renamed opens."""

import hashlib
import hmac
import os
from datetime import date
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.domain.errors import KeyNameRefused, NotWrapped, RecorderError, SealedTextRefused, WrappedKeyRefused
from ari_recorder.vault import wrapping
from ari_recorder.vault.key_pairs import Pair, public_key

RECORDING = UUID(int=7)
DATA_KEY = bytes(range(32))
PAIR, OTHER = Pair.new(), Pair.new()
PUBLIC = public_key(PAIR.public_bytes)
NAME = "day-2026-11-24"

names = st.one_of(
    st.dates().map(wrapping.day_name),
    st.integers(1, 999_999).map(lambda number: f"hold-{number}"),
    st.just(wrapping.FALLBACK),
)


@given(st.binary(min_size=32, max_size=32), st.uuids(), names)
def test_a_wrapped_key_comes_back_and_says_whose_it_is(data_key: bytes, recording_id: UUID, name: str) -> None:
    wrapped = wrapping.wrap_key(PUBLIC, name, data_key, recording_id)
    assert len(wrapped) == 1170 + len(name)
    assert wrapping.key_name_of(wrapped) == name
    assert data_key not in wrapped
    assert wrapping.unwrap_key(PAIR.private, wrapped, recording_id) == data_key


@given(st.text(max_size=200), st.sampled_from(["caller", "note"]), st.uuids() | st.text(max_size=40), names)
def test_a_sealed_text_comes_back_and_says_whose_it_is(text: str, purpose: str, owner: UUID | str, name: str) -> None:
    sealed = wrapping.seal_text(PUBLIC, name, text, purpose, owner)
    assert wrapping.key_name_of(sealed) == name
    assert wrapping.open_text(PAIR.private, sealed, purpose, owner) == text


def test_the_same_key_wrapped_twice_looks_different() -> None:
    one, two = (wrapping.wrap_key(PUBLIC, NAME, DATA_KEY, RECORDING) for _ in range(2))
    head = 2 + len(NAME)
    assert one[:head] == two[:head]
    assert one[head : head + 32] != two[head : head + 32]
    assert one[-48:] != two[-48:]


def test_a_wrapped_key_opens_for_its_recording_pair_and_name_only() -> None:
    wrapped = wrapping.wrap_key(PUBLIC, NAME, DATA_KEY, RECORDING)
    with pytest.raises(WrappedKeyRefused, match="another recording"):
        wrapping.unwrap_key(PAIR.private, wrapped, UUID(int=8))
    with pytest.raises(WrappedKeyRefused):
        wrapping.unwrap_key(OTHER.private, wrapped, RECORDING)
    renamed = wrapped.replace(NAME.encode(), b"day-2026-11-25", 1)
    assert wrapping.key_name_of(renamed) == "day-2026-11-25"
    with pytest.raises(WrappedKeyRefused):
        wrapping.unwrap_key(PAIR.private, renamed, RECORDING)


def test_a_wrapped_key_with_any_byte_changed_or_cut_is_refused() -> None:
    wrapped = wrapping.wrap_key(PUBLIC, NAME, DATA_KEY, RECORDING)
    private = PAIR.private
    for place in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[place] ^= 1 << place % 8
        with pytest.raises(RecorderError):
            wrapping.unwrap_key(private, bytes(changed), RECORDING)
    for length in (*range(0, len(wrapped), 7), len(wrapped) - 1):
        with pytest.raises(RecorderError):
            wrapping.unwrap_key(private, wrapped[:length], RECORDING)
    with pytest.raises(WrappedKeyRefused):
        wrapping.unwrap_key(private, wrapped + b"\0", RECORDING)


def test_a_sealed_text_shows_nothing_and_opens_for_its_purpose_and_owner_only() -> None:
    sealed = wrapping.seal_text(PUBLIC, NAME, "+358401234567", "caller", RECORDING)
    assert b"358" not in sealed
    for private, purpose, owner in (
        (PAIR.private, "note", RECORDING),
        (PAIR.private, "caller", UUID(int=8)),
        (OTHER.private, "caller", RECORDING),
    ):
        with pytest.raises(SealedTextRefused) as caught:
            wrapping.open_text(private, sealed, purpose, owner)
        assert "358" not in str(caught.value)


def test_purpose_and_owner_cannot_be_shifted_into_each_other() -> None:
    sealed = wrapping.seal_text(PUBLIC, NAME, "x", "ab", "c")
    with pytest.raises(SealedTextRefused):
        wrapping.open_text(PAIR.private, sealed, "a", "bc")


def test_a_wrapped_key_is_no_sealed_text_and_the_other_way_round() -> None:
    owner = RECORDING.bytes.decode("latin-1")
    with pytest.raises(SealedTextRefused):
        wrapping.open_text(PAIR.private, wrapping.wrap_key(PUBLIC, NAME, DATA_KEY, RECORDING), "", owner)
    with pytest.raises(WrappedKeyRefused):
        wrapping.unwrap_key(PAIR.private, wrapping.seal_text(PUBLIC, NAME, "a" * 32, "", owner), RECORDING)


@pytest.mark.parametrize("blob", [b"", b"\x01" + bytes(60), b"\x02", b"\x03" * 1300, b"\x02\xff" + bytes(1200)])
def test_what_was_never_wrapped_is_told_so(blob: bytes) -> None:
    with pytest.raises(NotWrapped):
        wrapping.key_name_of(blob)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "day-2026-02-30",
        "day-2026-2-3",
        "hold-0",
        "hold-01",
        "index-",
        "../fallback",
        "fallback\n",
        "day-٢٠٢٦-11-24",
    ],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(KeyNameRefused):
        wrapping.checked_name(name)
    with pytest.raises(KeyNameRefused):
        wrapping.wrap_key(PUBLIC, name, DATA_KEY, RECORDING)
    raw = name.encode()
    with pytest.raises(NotWrapped):
        wrapping.key_name_of(bytes((2, len(raw))) + raw + bytes(1200))


def test_names_of_days_are_read_back() -> None:
    assert wrapping.day_of_name(wrapping.day_name(date(2026, 3, 29))) == date(2026, 3, 29)
    assert wrapping.day_of_name("hold-1") is None


def test_only_a_data_key_is_wrapped() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        wrapping.wrap_key(PUBLIC, NAME, b"short", RECORDING)


def test_an_independent_reader_opens_what_was_wrapped() -> None:
    """HPKE from RFC 9180 and the X-Wing KEM, on bare primitives, as the module's text describes them."""
    data_key = os.urandom(32)
    wrapped = wrapping.wrap_key(PUBLIC, NAME, data_key, RECORDING)
    n = wrapped[1]
    assert wrapped[:2] == bytes((2, len(NAME)))
    assert wrapped[2 : 2 + n] == NAME.encode()
    enc, sealed = wrapped[2 + n : 1122 + n], wrapped[1122 + n :]
    info = b"ari-recorder/data-key/v2\x00" + wrapped[1 : 2 + n] + RECORDING.bytes
    assert _hpke_open(enc, sealed, info) == data_key


def test_an_independent_reader_opens_a_sealed_text() -> None:
    sealed = wrapping.seal_text(PUBLIC, "hold-3", "Aino", "caller", "someone")
    n = sealed[1]
    info = b"ari-recorder/text/v2\x00" + sealed[1 : 2 + n] + b"\x06caller" + b"someone"
    assert _hpke_open(sealed[2 + n : 1122 + n], sealed[1122 + n :], info) == b"Aino"


def _hpke_open(enc: bytes, sealed: bytes, info: bytes) -> bytes:
    mlkem = MLKEM768PrivateKey.from_seed_bytes(PAIR.mlkem_seed)
    x25519 = X25519PrivateKey.from_private_bytes(PAIR.x25519)
    their_x25519 = enc[1088:]
    first = mlkem.decapsulate(enc[:1088])
    second = x25519.exchange(X25519PublicKey.from_public_bytes(their_x25519))
    ours = x25519.public_key().public_bytes_raw()
    shared = hashlib.sha3_256(first + second + their_x25519 + ours + b"\\.//^\\").digest()
    suite = b"HPKE" + bytes.fromhex("647a00010002")  # X-Wing, HKDF-SHA256, AES-256-GCM

    def extract(salt: bytes, label: bytes, material: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")

    def expand(secret: bytes, label: bytes, about: bytes, length: int) -> bytes:
        labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + about
        return hmac.digest(secret, labelled + b"\x01", "sha256")[:length]

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    secret = extract(shared, b"secret", b"")
    key, nonce = expand(secret, b"key", context, 32), expand(secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed, b"")
