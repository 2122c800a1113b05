"""In by password and code, out again, a fresh code for what is sensitive; and what an old cookie is worth: nothing."""

import re

import pyotp

from ari_recorder.services.accounts import Person
from ari_recorder.web import cookies
from tests.services.people import OPERATOR, PASSWORD
from tests.web.house import House, Visitor


async def log_in(house: House, visitor: Visitor, who: str, next: str = "/") -> None:
    known = await house.person(who)
    answer = await visitor.post("/login", {"name": known.name, "password": known.password, "next": next})
    assert answer.status == 303, answer.text
    house.people.watch.go(seconds=30)
    code = known.code(house.people.watch.now())
    answer = await visitor.post("/login/code", {"code": code, "next": next})
    assert (answer.status, answer.headers["Location"]) == (303, next)


async def test_password_then_code_and_the_page_one_wanted(house: House) -> None:
    visitor = house.stranger()
    answer = await visitor.get("/account?x=1")
    assert answer.status == 401
    assert 'value="/account?x=1"' in answer.text  # the log-in form is there at once, and knows where to go on
    await log_in(house, visitor, "aino", "/account")
    answer = await visitor.get("/account")
    assert answer.status == 200
    assert "Aino Example" in answer.text


async def test_the_form_itself_logs_in_without_any_script(house: House) -> None:
    """What a browser without JavaScript sends: the fields of the page, and Origin: null by our Referrer-Policy."""
    visitor = house.stranger()
    known = await house.person("aino")
    page = await visitor.get("/login")
    proof = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert proof is not None
    fields = {"csrf": proof[1], "name": "aino", "password": PASSWORD, "next": "/"}
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    answer = await visitor.ask("POST", "/login", data=fields, headers=headers)
    assert answer.status == 303
    house.people.watch.go(seconds=30)
    fields = {"csrf": proof[1], "code": known.code(house.people.watch.now()), "next": "/"}
    answer = await visitor.ask("POST", "/login/code", data=fields, headers=headers)
    assert answer.status == 303
    assert (await visitor.get("/")).status == 200


async def test_cookies_belong_to_this_host_alone(house: House) -> None:
    visitor = house.stranger()
    known = await house.person("aino")
    await visitor.post("/login", {"name": known.name, "password": known.password})
    house.people.watch.go(seconds=30)
    answer = await visitor.post("/login/code", {"code": known.code(house.people.watch.now())})
    session = next(line for line in answer.set_cookies if line.startswith(cookies.SESSION))
    for line in answer.set_cookies:
        assert line.startswith("__Host-")
        for part in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
            assert part in line, line
        assert "Domain" not in line
    assert "Max-Age" not in session
    assert known.name not in session
    for path in ("/", "/account", "/account?format=json"):  # its value is nowhere else
        got = await visitor.get(path)
        assert visitor.kept[cookies.SESSION] not in got.text + str(got.headers), path
        assert visitor.kept[cookies.DEVICE] not in got.text + str(got.headers), path


async def test_a_wrong_password_is_told_after_the_code_and_says_no_more(house: House) -> None:
    await house.person("aino")
    told = []
    for name, password in (("aino", "not the password at all"), ("nobody-at-all", PASSWORD)):
        visitor = house.stranger()
        answer = await visitor.post("/login", {"name": name, "password": password})
        assert answer.status == 303
        answer = await visitor.post("/login/code", {"code": "123456"})
        told.append((answer.status, re.sub(r"[0-9a-f]{16,}|[0-9a-f-]{36}", "", answer.text)))
    assert told[0] == told[1]
    assert told[0][0] == 401
    assert "Name, password or code is not right." in told[0][1]


async def test_too_many_tries_are_told_with_the_time_to_wait(house: House) -> None:
    await house.person("aino")
    visitor = house.stranger()
    answers = [await visitor.post("/login", {"name": "aino", "password": "wrong wrong wrong"}) for _ in range(8)]
    assert answers[0].status == 303
    assert answers[-1].status == 429
    assert re.search(r"Wait \d+ seconds", answers[-1].text)
    assert 'value="aino"' in answers[-1].text  # nobody types the name twice
    assert "wrong wrong wrong" not in answers[-1].text


async def test_an_old_cookie_is_worth_nothing(house: House) -> None:
    visitor = house.stranger()
    await log_in(house, visitor, "aino")
    old = dict(visitor.kept)
    answer = await visitor.post("/log-out")
    assert answer.status == 303
    assert cookies.SESSION not in visitor.kept
    visitor.kept = old
    assert (await visitor.get("/")).status == 401
    answer = await visitor.get("/?format=json")
    assert (answer.status, answer.json()["error"]["code"]) == (401, "session_over")


async def test_a_session_ends_after_half_an_hour_without_use(house: House) -> None:
    visitor = await house.visitor("aino")
    house.people.watch.go(minutes=29)
    assert (await visitor.get("/")).status == 200
    house.people.watch.go(minutes=31)
    assert (await visitor.get("/")).status == 401


async def test_the_session_has_another_secret_after_a_fresh_code(house: House) -> None:
    visitor = await house.visitor("aino")
    before = visitor.kept[cookies.SESSION]
    house.people.watch.go(minutes=6)  # the code of the log-in was fresh until now
    answer = await visitor.get("/account/password")
    assert answer.status == 403
    assert 'value="/account/password"' in answer.text
    await house.step_up(visitor, "aino")
    assert visitor.kept[cookies.SESSION] != before
    assert (await visitor.get("/account/password")).status == 200
    visitor.kept[cookies.SESSION] = before
    assert (await visitor.get("/")).status == 401


async def test_a_wrong_fresh_code_is_asked_for_again(house: House) -> None:
    visitor = await house.visitor("aino")
    answer = await visitor.post("/step-up", {"code": "000000", "next": "/account/password"})
    assert answer.status == 403
    assert "This code is not right" in answer.text
    assert 'value="/account/password"' in answer.text


async def test_nobody_is_sent_to_another_place_after_the_log_in(house: House) -> None:
    for next in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
    ):
        visitor = house.stranger()
        known = await house.person("aino")
        await visitor.post("/login", {"name": known.name, "password": known.password, "next": next})
        house.people.watch.go(seconds=30)
        answer = await visitor.post("/login/code", {"code": known.code(house.people.watch.now()), "next": next})
        assert answer.headers["Location"] == "/", next


async def test_an_invitation_leads_to_password_authenticator_and_recovery_codes(house: House) -> None:
    invited = await house.people.accounts.create(Person(name="eeva", full_name="Eeva Example"), OPERATOR)
    visitor = house.stranger()
    path = f"/invitation/{invited.token}"
    page = await visitor.get(path)
    assert page.status == 200
    assert "Welcome, Eeva Example" in page.text
    picture = await visitor.get(f"{path}/picture.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert "<svg" in picture.text
    assert "style" not in picture.text
    shown = await house.people.enrolment.set_up(invited.token)
    answer = await visitor.post(path, {"password": PASSWORD, "again": "another", "code": "1"})
    assert answer.status == 422
    assert "This is not the same password." in answer.text
    answer = await visitor.post(path, {"password": "short", "again": "short", "code": "1"})
    assert answer.status in (400, 403)
    code = pyotp.TOTP(shown.secret).at(house.people.watch.now())
    answer = await visitor.post(path, {"password": PASSWORD, "again": PASSWORD, "code": code})
    assert answer.status == 200
    codes = re.findall(r"<code>([0-9A-Z-]{31})</code>", answer.text)
    assert len(codes) == 10
    assert (await visitor.get(path)).status == 404
    # One of them opens the door without the phone.
    await visitor.post("/login", {"name": "eeva", "password": PASSWORD})
    answer = await visitor.post("/login/code", {"code": codes[0].lower()})
    assert answer.status == 303
    assert "You used a recovery code. 9 are left." in (await visitor.get("/")).text


async def test_another_session_of_ones_own_can_be_ended_and_nobody_elses(house: House) -> None:
    mine, other = await house.visitor("aino"), await house.visitor("aino")
    stranger = await house.visitor("eeva")
    sessions = (await mine.get("/account?format=json")).json()["sessions"]
    that = next(one["id"] for one in sessions if not one["is_this"])
    await stranger.post(f"/account/sessions/{that}/end")
    assert (await other.get("/")).status == 200
    await mine.post(f"/account/sessions/{that}/end")
    assert (await other.get("/")).status == 401
    assert (await mine.get("/")).status == 200


async def test_the_password_is_changed_after_a_fresh_code(house: House) -> None:
    visitor, other = await house.visitor("aino"), await house.visitor("aino")
    await house.step_up(visitor, "aino")
    form = {"old": PASSWORD, "password": "another row of words 93", "again": "another row of words 93"}
    answer = await visitor.post("/account/password", {**form, "old": "not it"})
    assert answer.status == 400
    assert "another row of words" not in answer.text
    answer = await visitor.post("/account/password", form)
    assert answer.status == 303
    assert "The password is changed." in (await visitor.get("/account")).text
    assert (await other.get("/")).status == 401


async def test_new_recovery_codes_are_shown_once(house: House) -> None:
    visitor = await house.visitor("aino")
    await house.step_up(visitor, "aino")
    answer = await visitor.post("/account/recovery-codes")
    assert len(re.findall(r"<code>([0-9A-Z-]{31})</code>", answer.text)) == 10


async def test_what_happened_to_an_account_is_told_until_it_was_seen(house: House) -> None:
    visitor = await house.visitor("aino")
    notices = (await visitor.get("/account?format=json")).json()["notices"]
    assert [one["kind"] for one in notices] == ["credential-changed"]
    assert "was changed" in notices[0]["text"] or "were changed" in notices[0]["text"]
    answer = await visitor.post("/account/notices/seen", {"up_to": notices[-1]["id"]})
    assert answer.status == 303
    assert (await visitor.get("/account?format=json")).json()["notices"] == []


async def test_a_chosen_language_stays_with_the_person(house: House) -> None:
    visitor = await house.visitor("aino")
    answer = await visitor.post("/language", {"language": "sv", "next": "/account"})
    assert answer.headers["Location"] == "/account"
    elsewhere = await house.visitor("aino")
    assert 'lang="sv"' in (await elsewhere.get("/account")).text
    assert "Ditt konto" in (await elsewhere.get("/account")).text


async def test_with_the_log_out_the_browser_forgets(house: House) -> None:
    visitor = await house.visitor("aino")
    assert (await visitor.post("/log-out")).headers["Clear-Site-Data"] == '"cache", "storage"'
    visitor = await house.visitor("aino")
    assert "Clear-Site-Data" not in (await visitor.get("/")).headers
    assert "Clear-Site-Data" in (await visitor.post("/log-out", json=True)).headers
