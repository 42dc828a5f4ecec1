"""The local AWS does nothing for a web page, nor for anybody without a key of this run."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import S3SigV4QueryAuth, SigV4QueryAuth
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.local_sagemaker_driver import BUCKET, Driver, sagemaker_in, trust
from tests.local.raw_requests import CREATE, Signer, ask

STRANGERS = ["test", "000000000000", "123456789012", "AKIA" + "X" * 16]
LISTED = {"X-Amz-Target": "SageMaker.ListTrainingJobs", "Content-Type": CREATE["Content-Type"]}
SITES = ("cross-site", "same-site", "same-origin")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws")) as driver:
        yield driver


@pytest.fixture
def root(local: Driver) -> Signer:
    return Signer(local.aws.access_key, local.aws.secret_key)


def job(local: Driver, name: str) -> str:
    return json.dumps(local.request(name, "touch /tmp/owned"))


def jobs(local: Driver) -> list[str]:
    return [str(one["name"]) for one in local.aws.jobs()["jobs"]]


def url(local: Driver, path: str = "/") -> str:
    return local.aws.endpoint + path


@pytest.mark.parametrize("key", STRANGERS)
def test_nobody_is_root_by_a_well_known_key(local: Driver, key: str) -> None:
    body = job(local, "by-a-stranger")
    for secret in ("test", key):
        headers = Signer(key, secret).headers(url(local), "POST", CREATE, body)
        answer = ask(url(local), "POST", headers, body)
        assert (answer.status, "UnrecognizedClientException" in answer.text) == (403, True)
    assert jobs(local) == []


@pytest.mark.parametrize("key", ["", *STRANGERS])
def test_no_request_is_served_that_nobody_signed(local: Driver, key: str) -> None:
    """A page can send these without asking first: a form, or `fetch` in `no-cors`."""
    claimed = f"?X-Amz-Credential={key}%2F20260101%2Fus-east-1%2Fsagemaker%2Faws4_request"
    target = "&X-Amz-Target=SageMaker.CreateTrainingJob"
    for query in ("", claimed, claimed + target, f"?AWSAccessKeyId={key}&Signature=x"):
        body, headers = job(local, "unsigned"), {"Content-Type": "text/plain"}
        assert ask(url(local, f"/{query}"), "POST", headers, body).status == 403
        made = ask(
            url(local, f"/{query}"), "POST", {**CREATE, "X-Amz-Date": "20260101T000000Z"}, body
        )
        assert made.status == 403
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    user = "Action=CreateUser&UserName=by-a-form&Version=2010-05-08"
    for query in ("", claimed):
        assert ask(url(local, f"/{query}"), "POST", form, user).status == 403
    assert ask(url(local, f"/{BUCKET}/planted"), "PUT", {}, b"x").status == 403
    assert ask(url(local, f"/{BUCKET}")).status == 403
    users = [one["UserName"] for one in local.aws.client("iam").list_users()["Users"]]
    assert ("by-a-form" in users, jobs(local)) == (False, [])


def test_a_wrong_signature_under_the_right_key_is_refused(local: Driver) -> None:
    body = job(local, "wrongly-signed")
    headers = Signer(local.aws.access_key, "another secret").headers(
        url(local), "POST", CREATE, body
    )
    answer = ask(url(local), "POST", headers, body)
    assert (answer.status, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert jobs(local) == []


def test_a_client_hears_of_a_wrong_secret_as_from_aws(local: Driver) -> None:
    for service, call in (
        ("sagemaker", "list_training_jobs"), ("sts", "get_caller_identity"),
        ("s3", "list_buckets"), ("lambda", "list_functions"),
    ):  # fmt: skip
        client = local.aws.session_client(service, local.aws.access_key, "another secret")
        with pytest.raises(ClientError) as refused:
            getattr(client, call)()
        client.close()
        assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


@pytest.mark.parametrize("page", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:3000"},
    *({"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"} for site in SITES),
])  # fmt: skip
def test_what_a_page_has_its_browser_send_is_refused_however_well_it_is_signed(
    local: Driver, root: Signer, page: dict[str, str]
) -> None:
    body = job(local, "by-a-page")
    headers = root.headers(url(local), "POST", CREATE, body)
    answer = ask(url(local), "POST", {**headers, **page}, body)
    assert (answer.status, answer.lets_pages_read) == (403, False)
    assert ask(url(local, "/_ministack/health"), "GET", page).status == 403
    admin = url(local, "/_local/sagemaker/jobs")
    assert ask(admin, "GET", {**root.headers(admin), **page}).status == 403
    assert jobs(local) == []


def test_no_answer_lets_a_page_of_another_origin_read_it(local: Driver, root: Signer) -> None:
    body = "{}"
    listed = ask(url(local), "POST", root.headers(url(local), "POST", LISTED, body), body)
    assert (listed.status, listed.lets_pages_read) == (200, False)
    assert not ask(url(local, "/_ministack/health")).lets_pages_read


def test_a_browser_that_asks_first_is_refused(local: Driver) -> None:
    asks = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-amz-target",
    }
    for headers in (asks, {}):
        answer = ask(url(local), "OPTIONS", headers)
        assert (answer.status, answer.lets_pages_read) == (403, False)


def test_a_name_that_was_rebound_to_this_machine_is_refused(local: Driver, root: Signer) -> None:
    port = local.aws.endpoint.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}",
                 f"a.localhost:{port}", "127.0.0.1:1", "127.0.0.1", f"127.0.0.1:{port}:80",
                 ""):  # fmt: skip
        named = {**LISTED, "Host": host}
        headers = root.headers(f"http://{host or 'nobody'}/", "POST", named, "{}")
        assert ask(url(local), "POST", {**headers, "Host": host}, "{}").status in {400, 403}
        assert ask(url(local, "/_ministack/health"), "GET", {"Host": host}).status in {400, 403}


def test_the_names_of_this_machine_are_served(local: Driver, root: Signer) -> None:
    port = local.aws.endpoint.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        headers = root.headers(f"http://{host}/", "POST", LISTED, "{}")
        assert ask(url(local), "POST", {**headers, "Host": host}, "{}").status == 200


@pytest.mark.parametrize("path", [
    "/_ministack/reset", "/_ministack/config", "/_ministack/ready", "/_ministack/sqs/messages",
    "/_ministack/ses/messages", "/_localstack/health", "/_aws/lambda-url/x/", "/%5fministack/reset",
    "/_local/sagemaker/jobs", "/_local/sagemaker/faults", "/%5flocal/sagemaker/jobs",
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_paths_that_are_no_aws_are_closed_or_ask_for_the_key(
    local: Driver, path: str, method: str
) -> None:
    local.s3.put_object(Bucket=BUCKET, Key="kept", Body=b"kept")
    assert ask(url(local, path), method, {}, b"{}").status == 403
    assert local.s3.get_object(Bucket=BUCKET, Key="kept")["Body"].read() == b"kept"


def test_only_the_root_user_orders_faults(local: Driver, root: Signer) -> None:
    address = url(local, "/_local/sagemaker/jobs")
    assert ask(address, "GET", root.headers(address)).status == 200
    local.aws.client("iam").create_user(UserName="no-admin")
    key = local.aws.client("iam").create_access_key(UserName="no-admin")["AccessKey"]
    user = Signer(key["AccessKeyId"], key["SecretAccessKey"])
    assert ask(address, "GET", user.headers(address)).status == 403


def test_a_web_socket_is_refused(local: Driver) -> None:
    host, _, port = local.aws.endpoint.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 5) as connected:
        connected.sendall(
            f"GET /_aws/execute-api/a/b HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        assert connected.recv(64).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "since", [timedelta(minutes=20), timedelta(days=1), -timedelta(minutes=20)]
)
def test_a_request_of_another_time_is_refused(
    local: Driver, root: Signer, since: timedelta
) -> None:
    headers = root.headers(url(local), "POST", LISTED, "{}", since=since)
    answer = ask(url(local), "POST", headers, "{}")
    assert (answer.status, "RequestTimeTooSkewed" in answer.text) == (403, True)


def test_a_request_of_some_minutes_ago_is_served(local: Driver, root: Signer) -> None:
    for since in (timedelta(minutes=10), -timedelta(minutes=10)):
        headers = root.headers(url(local), "POST", LISTED, "{}", since=since)
        assert ask(url(local), "POST", headers, "{}").status == 200


def test_nothing_of_a_signed_request_can_be_changed(local: Driver, root: Signer) -> None:
    signed = root.headers(url(local), "POST", LISTED, "{}")
    changed = job(local, "changed")
    put = url(local, f"/{BUCKET}/signed")
    digest = {
        "X-Amz-Content-SHA256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    }
    stored = root.headers(put, "PUT", digest, "{}", service="s3")
    for answer in (
        ask(url(local), "POST", {**signed, "X-Amz-Target": CREATE["X-Amz-Target"]}, "{}"),
        ask(url(local), "POST", signed, changed),
        ask(url(local, "/?Action=CreateUser"), "POST", signed, "{}"),
        ask(url(local, "/other"), "POST", signed, "{}"),
        ask(url(local), "PUT", signed, "{}"),
        ask(url(local), "POST", {**signed, "X-Amz-Acl": "public-read"}, "{}"),
        ask(put, "PUT", stored, b"another body"),
        ask(put + "2", "PUT", stored, "{}"),
        ask(url(local, "/?X-Amz-Algorithm=AWS4-HMAC-SHA256"), "POST", signed, "{}"),
    ):
        assert answer.status == 403
    assert ask(put, "PUT", stored, "{}").status == 200


def test_a_payload_that_is_not_signed_is_for_s3_alone(local: Driver, root: Signer) -> None:
    unsigned = {**LISTED, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    headers = root.headers(url(local), "POST", unsigned, "{}")
    assert ask(url(local), "POST", headers, "{}").status == 403
    put = url(local, f"/{BUCKET}/unsigned")
    stored = root.headers(put, "PUT", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, service="s3")
    assert ask(put, "PUT", stored, b"anything").status == 200


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_address_is_good_for_what_it_was_signed_for(
    local: Driver, version: str
) -> None:
    client = boto3.client(
        "s3", endpoint_url=local.aws.endpoint, region_name=local.aws.region,
        aws_access_key_id=local.aws.access_key, aws_secret_access_key=local.aws.secret_key,
        config=Config(signature_version=version),
    )  # fmt: skip
    local.s3.put_object(Bucket=BUCKET, Key="a b/ü", Body=b"content")
    local.s3.put_object(Bucket=BUCKET, Key="other", Body=b"other")
    read = client.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "a b/ü"})
    write = client.generate_presigned_url("put_object", {"Bucket": BUCKET, "Key": "new"})
    client.close()
    assert ask(read).text == "content"
    assert ask(write, "PUT", {}, b"written").status == 200
    assert local.s3.get_object(Bucket=BUCKET, Key="new")["Body"].read() == b"written"
    signature = "Signature="
    at = read.index(signature) + len(signature)
    other = "A" if read[at] != "A" else "B"
    for address, method in (
        (read.replace(quote("a b/ü"), "other"), "GET"),
        (read, "DELETE"), (read, "PUT"),
        (read[:at] + other + read[at + 1 :], "GET"),
        (read.replace(local.aws.access_key, "test"), "GET"),
        (read + "&versionId=1", "GET"), (read + "&Action=CreateUser", "GET"),
        (read + "&x-amz-acl=public-read", "GET"),
        (write.replace("/new", "/newer"), "PUT"),
    ):  # fmt: skip
        assert ask(address, method).status == 403
    assert ask(read, "GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}).status == 200


def test_a_presigned_address_ends(local: Driver, root: Signer) -> None:
    local.s3.put_object(Bucket=BUCKET, Key="k", Body=b"content")
    address = url(local, f"/{BUCKET}/k")
    hour = timedelta(hours=1)
    assert ask(root.address(S3SigV4QueryAuth, address, since=hour / 2)).text == "content"
    assert ask(root.address(S3SigV4QueryAuth, address, since=hour * 2)).status == 403
    ended = local.s3.generate_presigned_url(
        "get_object", {"Bucket": BUCKET, "Key": "k"}, ExpiresIn=-5
    )
    assert ask(ended).status == 403


def test_an_address_may_be_presigned_for_other_services(local: Driver, root: Signer) -> None:
    """As the tokens that EKS takes: an STS call, signed in its query."""
    call = url(local, "/?Action=GetCallerIdentity&Version=2011-06-15")
    address = root.address(SigV4QueryAuth, call, service="sts")
    assert local.aws.account in ask(address).text
    assert ask(address.replace("GetCallerIdentity", "GetSessionToken")).status == 403


def test_a_session_is_good_with_its_own_token_only(local: Driver) -> None:
    sts = local.aws.client("sts")
    iam = local.aws.client("iam")
    trusted = trust("sagemaker.amazonaws.com").replace(
        '"Service": "sagemaker.amazonaws.com"', '"AWS": "*"'
    )
    iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=trusted)
    first, second = (
        sts.assume_role(RoleArn=local.role("assumed"), RoleSessionName=name)["Credentials"]
        for name in ("first", "second")
    )
    call = "Action=GetCallerIdentity&Version=2011-06-15"
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def status(token: str | None) -> int:
        signer = Signer(first["AccessKeyId"], first["SecretAccessKey"], token)
        headers = signer.headers(url(local), "POST", form, call, service="sts")
        return ask(url(local), "POST", headers, call).status

    assert status(first["SessionToken"]) == 200
    assert [status(second["SessionToken"]), status("none"), status(None)] == [403, 403, 403]


def test_a_token_is_none_of_the_root_users(local: Driver) -> None:
    signer = Signer(local.aws.access_key, local.aws.secret_key, "a token")
    headers = signer.headers(url(local), "POST", LISTED, "{}")
    assert ask(url(local), "POST", headers, "{}").status == 403
