"""asterisk/conf.py reads configuration files as Asterisk does, tells what it could not read, and never raises."""

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_recorder.asterisk import conf_files
from ari_recorder.asterisk.conf import Conf, Source, TroubleKind, parse, uncommented
from tests.lab.asterisk import SHIPPED_CONF


def read(files: Mapping[str, str] | str, name: str = "x.conf") -> Conf:
    there = {"x.conf": files} if isinstance(files, str) else files

    def load(wanted: str) -> list[Source]:
        return [Source(path=one, text=there[one]) for one in sorted(there) if fnmatch.fnmatch(one, wanted)]

    return parse(name, load)


def written(conf: Conf, section: str) -> list[tuple[str, str]]:
    return [(one.name, one.value) for one in conf.named(section)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nx = 1", [("x", "1")]),
        ("[a]\nx=>1", [("x", "1")]),
        ("[a]\n  x  =>  1, 2  ", [("x", "1, 2")]),
        ("[a]\nx = 1\nx = 2", [("x", "1"), ("x", "2")]),
        ("[a]\nx = 1\nx +=,2", [("x", "1,2")]),
        ("[a]\nx += 2", [("x", "2")]),
        ("[A]\nx = 1", [("x", "1")]),
        ("[a] ; what it is\nx = 1 ; why", [("x", "1")]),
        ("[a]\nx = 1\\;2", [("x", "1;2")]),
        ("[a]\nx = a=b", [("x", "a=b")]),
        ("[a]\nx =", [("x", "")]),
        ("[a]\nno equals\nx = 1", [("x", "1")]),
        ("[a]\n\\[x = 1", [("[x", "1")]),
        ("[a]\nx = 1\n;-- y = 2\nz = 3 --;\nw = 4", [("x", "1"), ("w", "4")]),
        ("[a]\nx = 1 ;-- no --; 2", [("x", "1  2")]),
        ("[a]\n;-- one\n;-- two --;\ny = 2\n--;\nz = 3", [("z", "3")]),
        ("[a]\n;--- a line of dashes\nx = 1", [("x", "1")]),
        ("[t](!)\nx = 1\n[a](t)\ny = 2", [("x", "1"), ("y", "2")]),
        ("[t](!)\nx = 1\n[u](!,t)\ny = 2\n[a](u)\nx = 3", [("x", "1"), ("y", "2"), ("x", "3")]),
        ("[t](!)\nx = 1\n[u](!)\nx = 2\n[a](t,u)", [("x", "1"), ("x", "2")]),
        ("[a]\nx = 1\n[b]\nz = 1\n[a](+)\nx = 2", [("x", "1"), ("x", "2")]),
        ("[a]\nx = 1\n[a]\nx = 2", [("x", "1"), ("x", "2")]),
        ("[a]\nk=1\n[a]\nk=2\n[b]\n[a](+k=1)\ny=2", [("k", "1"), ("y", "2"), ("k", "2")]),
        ("[t](!)\nx = 1\n[t](+TEMPLATES=include)\ny = 2\n[a](t)", [("x", "1"), ("y", "2")]),
        ("[a]\r\nx = 1\r\n", [("x", "1")]),
        ("[a]\n#unknown thing\nx = 1", [("x", "1")]),
        ("[a]\nx = 1" + " " * 9000 + "2\ny = 2", [("y", "2")]),
    ],
)  # fmt: skip
def test_what_is_written_is_read(text: str, expected: list[tuple[str, str]]) -> None:
    conf = read(text)
    assert written(conf, "a") == expected
    assert conf.troubles == ()


def test_a_template_is_no_section_and_the_place_of_a_setting_is_where_it_is_written() -> None:
    conf = read("[t](!)\nx = 1\n\n[a](t)\n; nothing\ny = 2")
    assert not conf.has("t")
    assert [str(one.place) for one in conf.named("a")] == ["x.conf:2", "x.conf:6"]


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("x = 1\n[a]\ny = 2", "a setting before the first [section]", 1),
        ("[a]\nx = 1\n[b\ny = 2", "there is no ] in the line", 3),
        ("[a]\nx = 1\n[b](c\ny = 2", "there is no ) in the line", 3),
        ("[a]\nx = 1\n[b](+)\ny = 2", "[b](+) goes on with a section that is not there", 3),
        ("[a]\nx = 1\n[b](c)\ny = 2", "[b] inherits from 'c', which is not there", 3),
    ],
)
def test_where_asterisk_stops_reading_so_does_this_and_says_so(text: str, what: str, line: int) -> None:
    conf = read(text)
    (trouble,) = conf.troubles
    assert (trouble.kind, trouble.what) == (TroubleKind.MALFORMED, what)
    assert trouble.place is not None
    assert trouble.place.line == line
    assert written(conf, "b") == []


def test_a_secret_in_a_line_that_cannot_be_read_is_not_repeated() -> None:
    (trouble,) = read("secret = insecure-secret").troubles
    assert "insecure" not in str(trouble)


def test_includes_are_read_in_place_and_begin_in_the_section_before() -> None:
    conf = read(
        {
            "x.conf": "[a]\nx = 1\n#include sub/one.conf\ny = 2\n#tryinclude none.conf\n#include <sub/t*.conf>\nz = 3",
            "sub/one.conf": "in = a\n[b]\nx = 9",
            "sub/three.conf": "then = 3",
            "sub/two.conf": "then = 2",
        }
    )
    assert written(conf, "a") == [("x", "1"), ("in", "a"), ("y", "2"), ("z", "3")]
    assert written(conf, "b") == [("x", "9"), ("then", "3"), ("then", "2")]
    assert conf.troubles == ()
    assert conf.files == ("x.conf", "sub/one.conf", "sub/three.conf", "sub/two.conf")


def test_an_include_of_nothing_ends_the_file_and_is_told() -> None:
    conf = read('[a]\nx = 1\n#include "none.conf"\ny = 2')
    assert written(conf, "a") == [("x", "1")]
    ((kind, place),) = [(one.kind, str(one.place)) for one in conf.troubles]
    assert (kind, place) == (TroubleKind.MISSING, "x.conf:3")


def test_exec_is_told_and_not_followed() -> None:
    conf = read("[a]\n#exec /usr/local/bin/make-queues\nx = 1")
    assert [one.kind for one in conf.troubles] == [TroubleKind.EXEC]
    assert written(conf, "a") == [("x", "1")]


@pytest.mark.parametrize("times", [1, 12])
def test_files_that_include_each_other_come_to_an_end(times: int) -> None:
    conf = read({"x.conf": "[a]\n" + "#include y.conf\n" * times, "y.conf": "#include x.conf\n" * times + "z = 1"})
    assert TroubleKind.TOO_MUCH in {one.kind for one in conf.troubles}


def test_a_conf_that_is_not_there_is_empty() -> None:
    conf = read({}, "y.conf")
    assert (conf.there, conf.sections, conf.named("a"), conf.last("a", "x")) == (False, (), [], None)


MARKS = [
    "[",
    "]",
    "(",
    ")",
    "!",
    "+",
    "=",
    ">",
    ";",
    "--",
    ";--",
    "--;",
    "\\",
    "\n",
    " ",
    "#",
    "#include ",
    "x.conf",
    "a",
]


@given(st.lists(st.sampled_from([*MARKS, "\0", "\r", "ä", ",", "&", '"', "<", "TEMPLATES=include"]), max_size=80))
def test_no_text_makes_it_raise(parts: list[str]) -> None:
    conf = read("".join(parts))
    assert all(one.place.file == "x.conf" for section in conf.sections for one in section.settings)


@given(st.text(max_size=200))
def test_no_text_at_all_makes_it_raise(text: str) -> None:
    read(text)


WORD = st.text("abcXYZ019_-*#.$ä", min_size=1, max_size=8).filter(lambda word: not word.startswith("#"))


@given(st.dictionaries(WORD, st.lists(st.tuples(WORD, WORD), max_size=4), max_size=4), st.booleans())
def test_what_was_written_comes_back(sections: dict[str, list[tuple[str, str]]], arrows: bool) -> None:
    sign = "=>" if arrows else "="
    lines = [
        line for name, pairs in sections.items() for line in (f"[{name}]", *(f"{k} {sign} {v} ; x" for k, v in pairs))
    ]
    conf = read("\n".join(lines))
    assert [(one.name, [(s.name, s.value) for s in one.settings]) for one in conf.sections] == list(sections.items())


@given(st.lists(st.sampled_from([";", "-", "--", "\\", "a", " "]), max_size=30), st.integers(-1, 130))
def test_comments_never_grow_a_line(parts: list[str], depth: int) -> None:
    line = "".join(parts)
    kept, _ = uncommented(line, depth)
    assert kept is None or len(kept) <= len(line)


# --- on disk


def test_files_are_found_relative_to_the_folder_by_pattern_and_by_the_usual_path(tmp_path: Path) -> None:
    (tmp_path / "more.d").mkdir()
    for name, text in {
        "queues.conf": "[a]\n#include more.d/*.conf\n#include /etc/asterisk/other.conf\n#include {p,q}.conf",
        "more.d/2.conf": "x = 2",
        "more.d/1.conf": "x = 1",
        "more.d/.hidden.conf": "x = 0",
        "more.d/1.txt": "x = 9",
        "other.conf": "x = 3",
        "p.conf": "x = 4",
        "q.conf": "x = 5",
    }.items():
        (tmp_path / name).write_text(text)
    conf = conf_files.read(tmp_path, "queues.conf")
    assert [value for _, value in written(conf, "a")] == ["1", "2", "3", "4", "5"]
    assert conf.troubles == ()
    assert str(conf.named("a")[0].place) == f"{tmp_path}/more.d/1.conf:1"


def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "queues.conf").mkdir()
    os.mkfifo(tmp_path / "features.conf")
    assert not conf_files.read(tmp_path, "queues.conf").there
    assert not conf_files.read(tmp_path, "features.conf").there


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queues.conf").write_text("[a]\n#include secret.conf\nx = 1")
    (tmp_path / "secret.conf").write_text("y = 1")
    whole = Path.read_bytes

    def refuse(path: Path) -> bytes:  # whoever runs the tests may be root, who reads everything
        if path.name == "secret.conf":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    conf = conf_files.read(tmp_path, "queues.conf")
    (trouble,) = conf.troubles
    assert (trouble.kind, trouble.what) == (
        TroubleKind.UNREADABLE,
        f"{tmp_path}/secret.conf cannot be read: Permission denied",
    )
    assert written(conf, "a") == [("x", "1")]


def test_bytes_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "queues.conf").write_bytes(b"[a]\nx = \xff\xfe\n\x00\ny = 1")
    assert [name for name, _ in written(conf_files.read(tmp_path, "queues.conf"), "a")] == ["x", "y"]


@given(st.text(max_size=40))
def test_no_name_makes_the_disk_raise(name: str) -> None:
    conf_files.read(Path("/nonexistent"), name)


def test_many_braces_come_to_an_end(tmp_path: Path) -> None:
    assert not conf_files.read(tmp_path, "{a,b}" * 500).there


@pytest.mark.parametrize("path", sorted(SHIPPED_CONF.glob("*.conf")), ids=lambda path: path.name)
def test_the_shipped_files_are_read_without_trouble(path: Path, tmp_path: Path) -> None:
    """In a site that has the sections the shipped files go on with, and the folder they include."""
    site = tmp_path / "ari_recorder_site"
    site.mkdir()
    for example in (SHIPPED_CONF / "ari_recorder_site.example").glob("*.conf"):
        (site / example.name).write_bytes(example.read_bytes())
    (tmp_path / path.name).write_bytes(path.read_bytes())
    begin = "[globals]\n[general]\n[featuremap]\n[applicationmap]\n[mappings]\n"
    (tmp_path / "main.conf").write_text(f"{begin}#include {path.name}\n")
    conf = conf_files.read(tmp_path, "main.conf")
    assert conf.troubles == ()
    assert len(conf.files) == 2 + ("include ari_recorder_site/" in path.read_text())
