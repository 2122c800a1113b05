"""services/tokens.py: what lets somebody in cannot be guessed, and is kept as a hash."""

from ari_recorder.services import tokens


def test_tokens_and_recovery_codes_are_random_and_long_enough() -> None:
    made = {tokens.new() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 43  # 256 bits in base64
    codes = [one for _ in range(10) for one in tokens.new_recovery_codes()]
    assert len(set(codes)) == 100
    letters = {letter for one in codes for letter in one if letter.isalnum()}
    lengths = {sum(letter.isalnum() for letter in one) for one in codes}
    assert len(letters) ** min(lengths) >= 2**100
    assert not [one for one in codes if one.encode() in tokens.hashed_recovery_code(one)]
