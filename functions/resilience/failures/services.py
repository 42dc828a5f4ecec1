"""Published codes of services: HTTP, gRPC, AWS (botocore's retryable codes and the common rest)."""

import re
from collections.abc import Iterable

from resilience.failures import rules
from resilience.failures.rules import Rule

_HTTP: dict[int, Rule] = {
    400: rules.REQUEST_REJECTED,
    401: rules.ACCESS_DENIED,
    403: rules.ACCESS_DENIED,
    404: rules.INPUT_MISSING,
    407: rules.ACCESS_DENIED,
    408: rules.NETWORK_UNREACHABLE,
    409: rules.REQUEST_REJECTED,
    410: rules.INPUT_MISSING,
    413: rules.REQUEST_REJECTED,
    416: rules.INPUT_MALFORMED,
    422: rules.REQUEST_REJECTED,
    425: rules.SERVICE_UNAVAILABLE,
    429: rules.THROTTLED,
    **dict.fromkeys((*range(500, 505), *range(520, 525), 507, 529), rules.SERVICE_UNAVAILABLE),
}
_HTTP_STATUS = re.compile(
    r"\b(?:status(?:[ _-]?code)?|http(?:/\d(?:\.\d)?)?(?:[ _-]?(?:error|status|code)){0,2}"
    r"|(?:response|error)(?: code)?)[^\w\n]{0,4}([45]\d\d)\b"
    r"|(?:error|exception|occurred|denied|key|bucket|down|timeout|forbidden|found):? \(([45]\d\d)\)"
    r"|\b([45]\d\d)[^\w\n]{1,3}(?:client error|server error|bad gateway|service|gateway|internal"
    r"|too many|forbidden|unauthorized|not found|slow down|get |post |put |head )"
)


def http_rule(text: str) -> Rule | None:
    for found in _HTTP_STATUS.finditer(text):
        rule = _HTTP.get(int(found[1] or found[2] or found[3]))
        if rule is not None:
            return rule
    return None


_GRPC: dict[str, Rule] = {
    "unavailable": rules.COLLECTIVE,
    "aborted": rules.COLLECTIVE,
    "deadline_exceeded": rules.TIMED_OUT,
    "resource_exhausted": rules.OUT_OF_MEMORY,
    "data_loss": rules.INPUT_MALFORMED,
    "permission_denied": rules.ACCESS_DENIED,
    "unauthenticated": rules.ACCESS_DENIED,
    "not_found": rules.INPUT_MISSING,
    "invalid_argument": rules.PROGRAMMING_ERROR,
    "failed_precondition": rules.PROGRAMMING_ERROR,
    "out_of_range": rules.PROGRAMMING_ERROR,
    "unimplemented": rules.PROGRAMMING_ERROR,
}
_GRPC_STATUS = re.compile(r"\bgrpc_(\w+):")


def grpc_rule(text: str) -> Rule | None:
    found = _GRPC_STATUS.search(text)
    return _GRPC.get(found[1]) if found else None


# AWS joins the words of a code, so that a code is no word of any sentence.
_AWS: dict[str, Rule] = {
    code.lower(): rule
    for rule, entries in rules.chapters("""
throttled = ThrottlingException ThrottledException RequestThrottledException RequestThrottled
    TooManyRequestsException ProvisionedThroughputExceededException RequestLimitExceeded
    BandwidthLimitExceeded PriorRequestNotComplete TransactionInProgressException SlowDown
    EC2ThrottledException
service_unavailable = RequestTimeout RequestTimeoutException InternalFailure ServiceUnavailable
    ServiceUnavailableException OperationAborted RequestTimeTooSkewed
internal_error = InternalError InternalServerError InternalServerException InternalServiceException
credentials_expired = ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired
    CredentialRetrievalError MetadataRetrievalError
access_denied = AccessDenied AccessDeniedException AllAccessDisabled UnauthorizedOperation
    UnauthorizedException UnrecognizedClientException InvalidAccessKeyId InvalidClientTokenId
    InvalidToken SignatureDoesNotMatch NotAuthorized InvalidSignatureException OptInRequired
    NoCredentialsError PartialCredentialsError
kms = KMSAccessDeniedException KMSInvalidStateException KMSDisabledException KMSNotFoundException
    CustomerKeyHasBeenRevoked
capacity = CapacityError InsufficientInstanceCapacity InsufficientHostCapacity
    InsufficientReservedInstanceCapacity EC2InsufficientCapacityError UnfulfillableCapacity
    ReservationCapacityExceeded InsufficientCapacity SpotMaxPriceTooLow
quota = ResourceLimitExceeded ServiceQuotaExceededException LimitExceededException
vpc_used_up = NetworkInterfaceLimitExceeded InsufficientFreeAddressesInSubnet
input_missing = NoSuchKey NoSuchBucket NoSuchUpload NoSuchVersion
image_missing = ImageNotFoundException RepositoryNotFoundException
network_route = InvalidSubnet InvalidSubnetID InvalidSecurityGroup InvalidSecurityGroupID
    InvalidGroup
file_system_mount = FileSystemNotFound
request_rejected = ValidationException ParamValidationError InvalidParameterException
    InvalidParameterValue MissingParameter ResourceInUse ResourceInUseException ResourceNotFound
    ResourceNotFoundException ConflictException InvalidRequest MissingMandatoryValue
entry_point = ContainerRuntimeError
""")
    for code in entries[0].split()
}
_ERROR_OCCURRED = re.compile(r"error(?: \(| occurred \()(\w{3,80})\)")


def aws_rule(words: Iterable[str]) -> Rule | None:
    return next((_AWS[word] for word in words if word in _AWS), None)


def code_of_call(text: str) -> str:
    """The code in botocore's "An error occurred (Code) when calling the Operation operation"."""
    found = _ERROR_OCCURRED.search(text)
    return found[1] if found else ""
