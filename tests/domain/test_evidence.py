"""The announcement is proved by a keyed token, the sounds really there, and the time they take."""

from datetime import UTC, datetime, timedelta

import pytest

from ari_recorder.domain.events import Code, Language
from ari_recorder.domain.evidence import (
    Claim,
    Sound,
    prove,
    read_codes,
    read_evidence,
    read_logged_code,
    split_net_base,
    token,
)

SECRET = "ab" * 32
START = 1_764_000_000_000
TEXT = f"0195202000_fi-sv_{START}_{START + 6000}"


def _signed(uniqueid: str = "pbx1-1764000000.7", text: str = TEXT, secret: str = SECRET) -> str:
    return f"{text}_{token(secret, f'announced:{uniqueid}:' + text.replace('_', ':'))}"


def _sound(language: Language, seconds: float = 3.0) -> Sound:
    return Sound(language=language, sha256="0" * 64, duration=timedelta(seconds=seconds))


def _claim(seconds: float, *languages: Language) -> Claim:
    begin = datetime.fromtimestamp(START / 1000, UTC)
    return Claim(number="0195202000", languages=languages, started=begin, done=begin + timedelta(seconds=seconds))


def test_the_token_is_the_one_the_dialplan_makes() -> None:
    # SHA1("s" + SHA1("s" + "m")) by sha1sum(1)
    assert token("s", "m") == "3acf0f0fa51ec72c815fb817e96c663dee78fda4"


def test_evidence_with_the_right_token_is_read() -> None:
    claim = read_evidence(SECRET, "pbx1-1764000000.7", _signed())
    assert claim == _claim(6, Language.FI, Language.SV)


@pytest.mark.parametrize(
    "text",
    [
        _signed(secret="cd" * 32),
        _signed(uniqueid="pbx1-1764000000.8"),
        _signed().replace("fi-sv", "sv-fi"),
        _signed().replace("0195202000", "0195202001"),
        _signed().replace(str(START + 6000), str(START + 7000)),
        _signed().upper(),
        _signed() + "0",
        _signed(text=TEXT.replace("fi-sv", "fi-de")),
        "",
        "_____",
        TEXT,
    ],
)
def test_evidence_of_somebody_else_is_not(text: str) -> None:
    assert read_evidence(SECRET, "pbx1-1764000000.7", text) is None


def test_a_net_name_gives_back_uniqueid_and_evidence() -> None:
    assert split_net_base(f"net_pbx1-1764000000.7_{_signed()}") == ("pbx1-1764000000.7", _signed())


@pytest.mark.parametrize(
    "base", ["net_x", "5b6f0f2e-0000-4000-8000-000000000000", f"net__{TEXT}_x", "net_../x_" + TEXT]
)
def test_other_names_are_no_net_names(base: str) -> None:
    assert split_net_base(base) is None


def test_the_announcement_must_have_taken_as_long_as_its_sounds() -> None:
    sounds = {language: _sound(language) for language in (Language.FI, Language.SV)}
    assert not isinstance(prove(_claim(6.0, Language.FI, Language.SV), sounds), str)
    assert not isinstance(prove(_claim(5.95, Language.FI, Language.SV), sounds), str)
    assert prove(_claim(5.5, Language.FI, Language.SV), sounds) == "the announcement was not played to its end"


def test_a_language_without_a_sound_proves_nothing() -> None:
    assert (
        prove(_claim(60, Language.EN), {Language.FI: _sound(Language.FI)})
        == "the sound of a language is missing or empty"
    )


def test_the_evidence_names_the_sounds_that_were_played() -> None:
    evidence = prove(_claim(3, Language.SV), {Language.SV: _sound(Language.SV)})
    assert not isinstance(evidence, str)
    assert [s.language for s in evidence.sounds] == [Language.SV]


AGENT, CALLER = "pbx1-1764000000.8", "pbx1-1764000000.7"


def _pressed(code: str, at: int, agent: str = AGENT, secret: str = SECRET) -> str:
    return f"{code}.{at}.{token(secret, f'code:{agent}:{code}:{at}')}_"


def _when(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def test_codes_kept_on_the_agents_channel_are_read_in_order() -> None:
    text = _pressed("refuse", START) + _pressed("pause", START + 1500)
    assert read_codes(SECRET, AGENT, text) == ((Code.REFUSE, _when(START)), (Code.PAUSE, _when(START + 1500)))
    assert read_codes(SECRET, AGENT, text.removesuffix("_")) == read_codes(SECRET, AGENT, text)
    assert read_codes(SECRET, AGENT, "") == ()


@pytest.mark.parametrize(
    "forged",
    [
        _pressed("refuse", START, secret="cd" * 32),
        _pressed("refuse", START, agent=CALLER),
        _pressed("refuse", START).replace(str(START), str(START + 1)),
        _pressed("threat", START).replace("threat", "refuse"),
        _pressed("dance", START),
        _pressed("refuse", START)[:-3],
        "refuse.x.y",
        "___",
    ],
)
def test_a_code_that_is_not_the_dialplans_is_left_out_and_the_others_stay(forged: str) -> None:
    assert read_codes(SECRET, AGENT, f"{forged}_{_pressed('pause', START)}") == ((Code.PAUSE, _when(START)),)


def _logged(code: str = "refuse", caller: str = CALLER, agent: str = AGENT, secret: str = SECRET) -> str:
    return f"{code}|{START}|{token(secret, f'code-logged:{caller}:{agent}:{code}:{START}')}|{agent}"


def test_a_code_in_queue_log_is_read_under_its_caller() -> None:
    assert read_logged_code(SECRET, CALLER, _logged()) == (Code.REFUSE, _when(START), AGENT)


@pytest.mark.parametrize(
    "text",
    [
        _logged(caller="pbx1-1764000000.9"),
        _logged(secret="cd" * 32),
        _logged().replace(AGENT, "pbx1-1764000000.9"),
        _logged().replace("refuse", "pause"),
        _logged("dance"),
        _logged()[:-30],
        f"refuse|{START}|{token(SECRET, f'code:{AGENT}:refuse:{START}')}|{AGENT}",
        "",
        "|||",
    ],
)
def test_a_line_copied_to_another_call_is_not(text: str) -> None:
    assert read_logged_code(SECRET, CALLER, text) is None
