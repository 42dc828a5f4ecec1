"""The file list of a checkpoint, and whatever a stranger may have written in its place."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_training.run.file_list import (
    FileList,
    ListedFile,
    Stored,
    file_list_from,
)
from resilient_training.run.invalid_input import InvalidInputError
from resilient_training.run.place import Place, PlaceError, bucket_and_key, place_from, reference

SHA = hashlib.sha256(b"").hexdigest()
WORD = "0a1b2c3d"


def listed(path: str, size: int = 3, stored: Stored | None = None) -> ListedFile:
    return ListedFile(path, size, SHA, stored)


def in_store(path: str, version: str | None = "v-1") -> ListedFile:
    return listed(path, stored=Stored(f"p/night/a1/{WORD}/checkpoint-15/{path}", "etag", version))


def file_list(*files: ListedFile) -> FileList:
    return FileList("checkpoint-15", "huggingface", WORD, files)


def raw(files: Iterable[Any] = ({"path": "a", "size": 0, "sha256": SHA},), **other: Any) -> bytes:  # noqa: ANN401 - whatever a stranger writes
    content = {"format": 1, "folder": "f", "layout": "dcp", "word": WORD, "files": list(files)}
    return json.dumps(content | other, sort_keys=True, separators=(",", ":")).encode()


def refused(text: bytes) -> str:
    with pytest.raises(InvalidInputError) as error:
        file_list_from(text)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 300
    return message


def test_a_file_list_survives_its_way_through_w_and_b() -> None:
    for files in (
        file_list(listed(".metadata", 0), listed("a/b", 12)),
        file_list(in_store("a"), in_store("b", version=None)),
    ):
        assert file_list_from(files.to_bytes()) == files


def test_the_same_files_are_the_same_bytes_and_another_word_is_another_list() -> None:
    files = file_list(listed("a"), listed("b"))
    assert files.sha256 == hashlib.sha256(files.to_bytes()).hexdigest()
    assert replace(files, word="ffffffff").sha256 != files.sha256


def test_a_file_list_sums_up_its_bytes_and_says_whether_a_store_has_them() -> None:
    assert file_list(listed("a", 5), listed("b", 7)).size == 12
    assert file_list(in_store("a")).is_stored
    assert not file_list(listed("a")).is_stored


OUTSIDE = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../a",
    "a/../../b",
    "a/..",
    "./a",
    "a//b",
    "a/",
    "a\\..\\b",
    "a\x00b",
    "a\nb",
    "a\x1b[2J",
    "\ud800",
    "x" * 256,
    "/".join(["x" * 200] * 5),
    "/".join("x" * 33),
    "files.json",
    "files.json.bak",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_is_not_plainly_below_the_folder_is_refused(path: str) -> None:
    refused(raw([{"path": path, "size": 0, "sha256": SHA}]))


@pytest.mark.parametrize("folder", [*OUTSIDE[:-2], "a/b", ".hidden", 5, None])
def test_a_folder_that_is_not_one_visible_name_is_refused(folder: object) -> None:
    refused(raw(folder=folder))


@pytest.mark.parametrize("size", [-1, 2**63, 1.0, True, "5", None, [1]])
def test_a_size_that_is_no_number_of_bytes_is_refused(size: object) -> None:
    refused(raw([{"path": "a", "size": size, "sha256": SHA}]))


@pytest.mark.parametrize("sha256", ["", SHA[:-1], SHA.upper(), SHA + "\n", 5, None])
def test_what_is_no_sha256_is_refused(sha256: object) -> None:
    refused(raw([{"path": "a", "size": 0, "sha256": sha256}]))


@pytest.mark.parametrize(
    "stored",
    [
        {"key": "k"},
        {"etag": "e"},
        {"version_id": "v"},
        {"key": "k", "etag": "e", "version_id": None},
        {"key": "k", "etag": "e", "more": 1},
        {"key": "../k", "etag": "e"},
        {"key": "/k", "etag": "e"},
        {"key": "k" * 300, "etag": "e"},
        {"key": "k", "etag": ""},
        {"key": "k", "etag": "e\n"},
        {"key": "k", "etag": "e", "version_id": ""},
    ],
)
def test_a_place_in_a_store_that_is_none_is_refused(stored: dict[str, object]) -> None:
    refused(raw([{"path": "a", "size": 0, "sha256": SHA, **stored}]))


def test_files_that_are_there_twice_or_in_another_order_are_refused() -> None:
    one, other = ({"path": path, "size": 0, "sha256": SHA} for path in "ab")
    assert "there twice" in refused(raw([one, one]))
    assert "not sorted" in refused(raw([other, one]))


def test_a_file_below_another_file_is_refused_though_a_third_stands_between_them() -> None:
    paths = ["a", "a-b", "a/b"]
    assert paths == sorted(paths)
    files = [{"path": path, "size": 0, "sha256": SHA} for path in paths]
    assert refused(raw(files)) == "below another file: 'a/b'"


def test_a_checkpoint_is_in_a_store_as_a_whole_or_not_at_all() -> None:
    with pytest.raises(InvalidInputError, match="some files in a store"):
        file_list(listed("a"), in_store("b"))


def test_another_format_is_named() -> None:
    assert refused(raw(format=2)) == "its format is 2, not 1"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"9" * 5000,
        raw(files=[]),
        raw(files=["a"]),
        raw(word="0A1B2C3D"),
        raw(layout="Hugging Face"),
        raw(more=1),
        raw(format=True),
        raw(format=1.0),
        raw() + b"\n",
        raw().replace(b'"layout"', b'"layout":"x","layout"'),
        raw().decode().encode("utf-16"),
    ],
)
def test_what_is_no_file_list_as_this_project_writes_it_is_refused(text: bytes) -> None:
    refused(text)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@given(st.lists(PATHS, min_size=1, max_size=6, unique=True))
def test_every_list_that_is_accepted_stays_below_its_folder_and_is_read_again(
    paths: list[str],
) -> None:
    try:
        files = file_list(*(listed(path) for path in sorted(paths)))
    except InvalidInputError:
        return
    assert file_list_from(files.to_bytes()) == files
    for file in files.files:
        path = PurePosixPath(file.path)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert str(path) == file.path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_written_there_is_a_list_or_is_refused(text: bytes) -> None:
    try:
        found = file_list_from(text)
    except InvalidInputError:
        return
    assert found.to_bytes() == text


@given(st.sampled_from(["format", "folder", "layout", "word", "files"]), JSON)
def test_whatever_stands_for_one_part_is_read_or_refused(name: str, value: object) -> None:
    content: dict[str, Any] = {name: [value] if name == "files" else value}
    text = raw(**content)
    try:
        found = file_list_from(text)
    except InvalidInputError:
        return
    assert found.to_bytes() == text


def test_a_place_is_a_bucket_and_a_prefix_that_ends_with_a_slash() -> None:
    place = place_from("s3://bucket/team/night")
    assert place == place_from("s3://bucket/team/night/") == Place("bucket", "team/night/")
    assert place.url == "s3://bucket/team/night/"
    assert place.key("a", "b") == "team/night/a/b"


NO_PLACES = [
    *("", "bucket/p", "s3://", "s3:///p", "https://b/p", "s3://B/p", "s3://bucket/a/../b"),
    *("s3://bucket", "s3://bucket/", "s3://bucket/.a", "s3://bucket/a%2Fb", "s3://bucket/a+b"),
    *("s3://bucket//a", "s3://bucket?x", "S3://bucket/p", "s3://bucket/a//", "s3://bucket/a\n"),
]


@pytest.mark.parametrize("url", NO_PLACES)
def test_what_is_no_place_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(PlaceError, match=r"^not s3://bucket/prefix: "):
        place_from(url)


def test_a_place_holds_what_is_below_it_and_not_its_neighbours() -> None:
    place = place_from("s3://bucket/team/checkpoint-1")
    assert place.holds("bucket", "team/checkpoint-1/a")
    for bucket, key in [
        ("bucket", "team/checkpoint-10/a"),
        ("bucket", "team/checkpoint-1"),
        ("bucket", "team/checkpoint-1/"),
        ("bucket", "a"),
        ("other", "team/checkpoint-1/a"),
    ]:
        assert not place.holds(bucket, key)


def test_a_reference_is_read_literally_and_only_of_s3() -> None:
    assert bucket_and_key(reference("bucket", "a/b?versionId=1#x")) == (
        "bucket",
        "a/b?versionId=1#x",
    )
    for other in ("file:///etc/passwd", "http://169.254.169.254/", "gs://bucket/a", "s3:bucket"):
        assert bucket_and_key(other) is None
