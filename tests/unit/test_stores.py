"""Which parts of S3 a text names, and which lie in which: a stranger writes such texts too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.stores import AllowedStores, NoStore, Store, StoreFault, parse
from resilience.wire import environment


def store(text: str) -> Store:
    found = parse(text)
    assert isinstance(found, Store), text
    return found


@pytest.mark.parametrize(
    ("text", "bucket", "folders"),
    [
        ("s3://b/pre/", "b", ("pre",)),
        ("s3://b/pre", "b", ("pre",)),
        ("s3://a.b-c/x/y/z/", "a.b-c", ("x", "y", "z")),
        ("s3://b--use1-az4--x-s3/pre/", "b--use1-az4--x-s3", ("pre",)),
        ("s3://b/team=vision/v1.2/_x-/", "b", ("team=vision", "v1.2", "_x-")),
        ("s3://b/a..b/", "b", ("a..b",)),
        (f"s3://b/{'a' * 504}/", "b", ("a" * 504,)),
    ],
)
def test_a_bucket_and_its_folders_name_a_store_with_or_without_the_last_slash(
    text: str, bucket: str, folders: tuple[str, ...]
) -> None:
    assert parse(text) == Store(bucket, folders)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s3://",
        "s3://b",
        "s3://b/",
        "s3:///pre/",
        "S3://b/pre/",
        "s3:/b/pre/",
        "file:///etc/",
        "https://b.s3.amazonaws.com/pre/",
        " s3://b/pre/",
        "s3://b/pre/\n",
        "s3://b/pre/ ",
        "s3://b//pre/",
        "s3://b/pre//",
        "s3://b/pre//deep/",
        "s3://b/./pre/",
        "s3://b/../pre/",
        "s3://b/pre/../",
        "s3://b/pre/..",
        "s3://b/pre/.../",
        "s3://b/.hidden/",
        "s3://b/%2e%2e/pre/",
        "s3://b/pre%2F..%2Fevil/",
        "s3://b/pre+evil/",
        "s3://b/pre?versionId=1",
        "s3://b/pre#part",
        "s3://b/pre*/",
        "s3://b\\pre/x/",
        "s3://b/pr\u00e9/",
        "s3://b/\u0440re/",
        "s3://B/pre/",
        "s3://b_c/pre/",
        "s3://-b/pre/",
        "s3://b-/pre/",
        "s3://b..c/pre/",
        "s3://b.-c/pre/",
        "s3://user@b/pre/",
        "s3://b:443/pre/",
        f"s3://b/{'a' * 505}/",
        None,
        7,
        True,
        ["s3://b/pre/"],
        {"store": "s3://b/pre/"},
    ],
)
def test_what_could_mean_another_place_than_it_says_names_none(text: object) -> None:
    assert parse(text) == NoStore()


@pytest.mark.parametrize(
    ("inner", "outer", "below"),
    [
        ("s3://b/pre/", "s3://b/pre/", True),
        ("s3://b/pre", "s3://b/pre/", True),
        ("s3://b/pre/x/y/", "s3://b/pre/", True),
        ("s3://b/prefix-evil/", "s3://b/pre/", False),
        ("s3://b/pre/", "s3://b/prefix-evil/", False),
        ("s3://b/pre/", "s3://b/pre/x/", False),
        ("s3://b/other/pre/", "s3://b/pre/", False),
        ("s3://b/Pre/", "s3://b/pre/", False),
        ("s3://b2/pre/", "s3://b/pre/", False),
        ("s3://b.evil/pre/", "s3://b/pre/", False),
    ],
)
def test_a_store_lies_below_another_by_the_very_bucket_and_by_whole_folders(
    inner: str, outer: str, *, below: bool
) -> None:
    assert store(inner).is_below(store(outer)) is below


FOLDERS = st.lists(st.sampled_from(["a", "b", "pre", "prefix"]), min_size=1, max_size=3)
STORES = st.builds(Store, st.sampled_from(["b", "c"]), FOLDERS.map(tuple))


@given(STORES, STORES)
def test_below_means_that_each_key_of_the_one_is_a_key_of_the_other(
    inner: Store, outer: Store
) -> None:
    """As S3 lists by a prefix that ends with a slash."""
    written = ["/".join([one.bucket, *one.folders, ""]) for one in (inner, outer)]
    assert inner.is_below(outer) is written[0].startswith(written[1])


STACK = (store("s3://ours/checkpoints/"), store("s3://theirs/ck/"))


@pytest.mark.parametrize(
    ("text", "launch", "fault"),
    [
        ("s3://ours/checkpoints/", None, None),
        ("s3://ours/checkpoints/vision/", None, None),
        ("s3://theirs/ck/x/", None, None),
        ("s3://ours/other/", None, StoreFault.NOT_OF_THE_STACK),
        ("s3://elsewhere/checkpoints/", None, StoreFault.NOT_OF_THE_STACK),
        ("s3://ours/checkpoints/../", None, StoreFault.NO_STORE),
        ("s3://ours/checkpoints/vision/", "s3://ours/checkpoints/vision", None),
        ("s3://ours/checkpoints/vision/x/", "s3://ours/checkpoints/vision", None),
        ("s3://ours/checkpoints/vision/", "s3://ours", StoreFault.NOT_OF_THE_LAUNCH),
        (
            "s3://ours/checkpoints/text/",
            "s3://ours/checkpoints/vision",
            StoreFault.NOT_OF_THE_LAUNCH,
        ),
        ("s3://theirs/ck/", "s3://ours/checkpoints/vision", StoreFault.NOT_OF_THE_LAUNCH),
        # What the launch sets narrows what the stack allows, and widens nothing.
        ("s3://elsewhere/ck/", "s3://elsewhere/ck", StoreFault.NOT_OF_THE_STACK),
        ("s3://ours/checkpoints/", "s3://ours/checkpoints/../", StoreFault.NOT_OF_THE_LAUNCH),
    ],
)
def test_a_store_is_allowed_by_the_stack_and_within_that_by_the_launch(
    text: str, launch: str | None, fault: StoreFault | None
) -> None:
    of_launch = environment.store({} if launch is None else {"RESILIENCE_STORE": launch})
    assert AllowedStores(STACK, of_launch).fault(parse(text)) is fault


@pytest.mark.parametrize("text", ["s3://b/pre/", "s3://ours/checkpoints/", "nonsense"])
def test_where_the_stack_allows_none_none_is_allowed_whatever_the_launch_says(text: str) -> None:
    assert AllowedStores((), environment.store({"RESILIENCE_STORE": text})).fault(parse(text))


def test_a_launch_that_names_no_store_sets_no_bounds_and_one_that_names_nonsense_allows_none() -> (
    None
):
    assert environment.store({}) is None
    assert environment.store({"RESILIENCE_STORE": ""}) is None
    assert environment.store({"RESILIENCE_STORE": "s3://b/pre"}) == Store("b", ("pre",))
    assert environment.store({"RESILIENCE_STORE": "s3://b"}) == NoStore()
