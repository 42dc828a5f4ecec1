"""Files of 2 GiB and more come in parts; here the parts are small, the requests wandb-core's."""

import base64
import hashlib
import os
from typing import Any

import pytest

from local.wandb_server import LocalWandb, RequestFailedError
from tests.local.test_wandb_server.sdk_client import exchange

BEGIN = """
mutation ($p: String!) {
  createArtifact(input: {
    entityName: "local", projectName: $p, artifactTypeName: "model", artifactCollectionName: "c",
    digest: "abc", digestAlgorithm: MANIFEST_MD5
  }) { artifact { id } }
}
"""
FILES = """
mutation ($a: ID!, $md5: String!, $parts: [UploadPartsInput!]) {
  createArtifactFiles(input: {
    artifactFiles: [{artifactID: $a, name: "model.ckpt", md5: $md5, uploadPartsInput: $parts}]
  }) {
    files { edges { node {
      storagePath uploadUrl uploadMultipartUrls { uploadID uploadUrlParts { partNumber uploadUrl } }
    } } }
  }
}
"""
COMPLETE = """
mutation ($a: ID!, $parts: [UploadPartsInput!]!, $path: String!, $upload: String!) {
  completeMultipartUploadArtifact(input: {
    completeMultipartAction: Complete, completedParts: $parts,
    artifactID: $a, storagePath: $path, uploadID: $upload
  }) { digest }
}
"""


def put(address: str, content: bytes) -> int:
    return exchange("PUT", address, content)[0]


def begin(
    server: LocalWandb, project: str, parts: list[bytes]
) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """An artifact, where its file is to be sent, and the parts as W&B describes them."""
    artifact = server.graphql(BEGIN, p=project)["createArtifact"]["artifact"]["id"]
    described = [
        {"partNumber": number, "hexMD5": hashlib.md5(part, usedforsecurity=False).hexdigest()}
        for number, part in enumerate(parts, 1)
    ]
    files = server.graphql(FILES, a=artifact, md5=digest(b"".join(parts)), parts=described)
    return artifact, files["createArtifactFiles"]["files"]["edges"][0]["node"], described


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def complete(
    server: LocalWandb, artifact: str, node: dict[str, Any], described: list[dict[str, Any]]
) -> str:
    answer = server.graphql(
        COMPLETE,
        a=artifact,
        parts=described,
        path=node["storagePath"],
        upload=node["uploadMultipartUrls"]["uploadID"],
    )
    return str(answer["completeMultipartUploadArtifact"]["digest"])


def test_parts_are_joined_in_order_whatever_order_they_came_in(
    server: LocalWandb, project: str
) -> None:
    parts = [os.urandom(1 << 20), os.urandom(1 << 20), b"the end"]
    artifact, node, described = begin(server, project, parts)
    places = node["uploadMultipartUrls"]["uploadUrlParts"]
    for place, part in reversed(list(zip(places, parts, strict=True))):
        put(place["uploadUrl"], part)
    assert complete(server, artifact, node, described) == digest(b"".join(parts))
    _, again, _ = begin(server, project, parts)
    assert again["uploadUrl"] is None, "the file is known, and need not be sent again"


def test_a_missing_or_a_broken_part_is_refused(server: LocalWandb, project: str) -> None:
    parts = [os.urandom(1000), os.urandom(1000)]
    artifact, node, described = begin(server, project, parts)
    first, second = node["uploadMultipartUrls"]["uploadUrlParts"]
    put(first["uploadUrl"], parts[0])
    with pytest.raises(RequestFailedError, match="1 parts are missing"):
        complete(server, artifact, node, described)
    put(second["uploadUrl"], b"something else")
    with pytest.raises(RequestFailedError, match="expected MD5"):
        complete(server, artifact, node, described)


def test_a_file_that_is_not_what_was_announced_is_refused(server: LocalWandb, project: str) -> None:
    content = os.urandom(1000)
    _, node, _ = begin(server, project, [content])
    assert put(node["uploadUrl"], b"something else") == 400
    assert put(node["uploadUrl"], content) == 200
