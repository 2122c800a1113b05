import hmac
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from ari_recorder.vault import totp

# RFC 6238, appendix B: SHA-1, the last six of eight digits.
SECRET = b"12345678901234567890"
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
]
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_the_vectors_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.step_of(SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


def test_the_window_says_which_step_a_code_was_of() -> None:
    code, step = pyotp.TOTP(totp.written(SECRET)).at(NOW), int(NOW.timestamp()) // 30
    for off in range(-3, 4):
        at = NOW + timedelta(seconds=30 * off)
        for window in (0, 1):
            assert totp.step_of(SECRET, code, at, window) == (step if abs(off) <= window else None)


@pytest.mark.parametrize("window", [0, 1])
def test_the_work_is_the_same_whichever_step_it_was(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: every step that may count is computed and compared, the first one or none being right."""
    made: list[int] = []
    compared: list[bool] = []
    generate, compare = pyotp.TOTP.generate_otp, hmac.compare_digest

    def counted(self: pyotp.TOTP, step: int) -> str:
        made.append(step)
        return generate(self, step)

    def seen(one: bytes, other: bytes) -> bool:
        compared.append(compare(one, other))
        return compared[-1]

    monkeypatch.setattr(pyotp.TOTP, "generate_otp", counted)
    monkeypatch.setattr(hmac, "compare_digest", seen)
    current = int(NOW.timestamp()) // 30
    codes = [generate(pyotp.TOTP(totp.written(SECRET)), current + off) for off in range(-window - 1, window + 2)]
    work = []
    for code in [*codes, "", "no code", "\ud800"]:
        made.clear()
        compared.clear()
        totp.step_of(SECRET, code, NOW, window)
        work.append((tuple(made), len(compared)))
    steps = tuple(range(current - window, current + window + 1))
    assert set(work) == {(steps, len(steps))}


@pytest.mark.parametrize("typed", ["{} ", " {}", "{0[0]}{0[1]}{0[2]} {0[3]}{0[4]}{0[5]}"])
def test_blanks_do_not_matter(typed: str) -> None:
    code = pyotp.TOTP(totp.written(SECRET)).at(NOW)
    assert totp.step_of(SECRET, typed.format(code), NOW) is not None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\0", "\ud800", "½" * 6, "9" * 10_000])
def test_what_is_no_code_is_none(code: str) -> None:
    assert totp.step_of(SECRET, code, NOW) is None


def test_a_secret_has_160_bits_and_its_address_names_the_account() -> None:
    assert len({totp.new_secret() for _ in range(100)}) == 100
    assert len(totp.new_secret()) == 20
    assert (
        totp.uri(SECRET, "aino")
        == "otpauth://totp/ari-recorder:aino?secret=" + totp.written(SECRET) + "&issuer=ari-recorder"
    )
