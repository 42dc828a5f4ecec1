"""What SageMaker, and the AWS services it calls for a job, say themselves."""

from resilience.failure_rules.rule import FailureClass, rule

SERVICE = (
    rule(
        "spot_interruption",
        FailureClass.INTERRUPTED,
        """
        spot interruption | spot * interrupted | spot * termination | spot * terminated |
        spot * reclaimed | MaxWaitTimeExceeded | MaxWaitTime exceeded | max wait time exceeded |
        was preempted | been preempted | node preemption | preemption notice |
        EC2 interruption notice
        """,
    ),
    rule(
        "time_limit",
        FailureClass.TIMEOUT,
        """
        MaxRuntimeExceeded | MaxRuntime exceeded | max runtime exceeded |
        maximum run time exceeded | maximum runtime exceeded | exceeded max runtime |
        exceeded the max runtime | exceeded maximum runtime | exceeded the maximum runtime |
        exceeded * MaxRuntimeInSeconds | exceeded the maximum allowed runtime |
        exceeded maximum allowed run
        """,
    ),
    # ResourceLimitExceeded is also the code for what the region will never have.
    rule(
        "not_in_region",
        FailureClass.CONFIGURATION,
        """
        not available in this region | not available in region | not available in the region |
        not supported in this region | not supported in region | not supported in the region |
        not supported in * availability zone | no subnets * that support
        """,
    ),
    # Addresses come back when other jobs of the account end: worth a wait, as any used-up limit.
    rule(
        "vpc_used_up",
        FailureClass.QUOTA,
        """
        ENI limit | network interface limit | NetworkInterfaceLimitExceeded |
        number of network interfaces | exceeded * network interfaces | ENIs |
        limit * network interfaces | InsufficientFreeAddressesInSubnet | free IP addresses |
        available IP addresses | enough IP addresses | insufficient IP addresses |
        free addresses | no available IP | no free IP
        """,
    ),
    # Before quota: a limit of calls per second passes by itself.
    rule(
        "throttled",
        FailureClass.INFRASTRUCTURE,
        """
        ThrottlingException | error occurred Throttling | was throttled | been throttled |
        rate exceeded | RequestLimitExceeded | request limit exceeded | TooManyRequestsException |
        too many requests | ProvisionedThroughputExceededException | SlowDown | slow down |
        reduce your request rate
        """,
    ),
    rule(
        "capacity",
        FailureClass.CAPACITY,
        """
        CapacityError | ~CapacityError | ~CapacityException | InsufficientInstanceCapacity |
        InsufficientHostCapacity | insufficient capacity | insufficient * instance capacity |
        sufficient * capacity | enough * capacity | no capacity | capacity is not available |
        capacity * unavailable | unable to provision | compute capacity |
        using a different ML instance type | try a different instance type |
        temporarily unavailable in supported availability zones | UnfulfillableCapacity |
        insufficient nvidia | insufficient gpu | ReservationCapacityExceeded
        """,
    ),
    rule(
        "quota",
        FailureClass.QUOTA,
        """
        ~LimitExceeded | ~LimitExceededException | account-level service limit | service limit |
        service quota | LimitExceededException | ServiceQuotaExceededException | quota exceeded |
        exceeded * quota | quota * is 0 | request an increase for this limit |
        exceeded the limit of | exceeds the limit | maximum number of * instances |
        MaxSpotInstanceCountExceeded
        """,
    ),
    # Names the permission to list as one of the things to check, but says what it found: nothing.
    rule("input_absent", FailureClass.DATA, "no S3 objects found | no objects found under"),
    rule(
        "role_not_assumed",
        FailureClass.PERMISSION,
        """
        assume the role | assume role | assuming role | sts AssumeRole | AssumeRole operation |
        trust relationship | trust policy | iam PassRole
        """,
    ),
    rule(
        "kms",
        FailureClass.PERMISSION,
        """
        KMS * denied | AccessDenied * KMS | access to KMS | access * KMS key | KMS access |
        kms Decrypt | kms GenerateDataKey | kms CreateGrant | KMSInvalidStateException |
        KMS * disabled | ciphertext refers to | KMS key * permission | permission * KMS key |
        KMS key * does not exist | KMS key * is not | inaccessible * KMS | inaccessible * key |
        KMSAccessDeniedException | CustomerKeyHasBeenRevoked
        """,
    ),
    rule(
        "image_missing",
        FailureClass.CONFIGURATION,
        """
        requested image not found | manifest unknown | manifest for * not found |
        no matching manifest | ImageNotFoundException | RepositoryNotFoundException |
        image with imageId * does not exist | repository * does not exist in the registry |
        image * not found in repository | invalid training image | image tag * not found
        """,
    ),
    rule(
        "image_pull_timeout",
        FailureClass.INFRASTRUCTURE,
        """
        pull * timeout | pull * timed out | pull * connection reset | pull * i o timeout |
        CannotPullContainerError * timeout | CannotPullContainerError * timed out |
        TLS handshake timeout | request canceled while waiting for connection
        """,
    ),
    rule(
        "image_refused",
        FailureClass.PERMISSION,
        """
        cannot pull algorithm container | its permissions are incorrect | pull access denied |
        access denied for repository | not grant ecr | ecr * not authorized |
        not authorized to perform ecr | CannotPullContainerError | no basic auth credentials |
        failed to pull image | unable to pull image | registry auth
        """,
    ),
    rule(
        "entry_point",
        FailureClass.CONFIGURATION,
        """
        executable file not found | exec format error | exec user process caused |
        command not found | exit code 126 | exit code 127
        """,
    ),
    rule(
        "network_route",
        FailureClass.CONFIGURATION,
        """
        subnet s route table | VPC endpoint | NAT device | NAT gateway | network ACL |
        security groups allow | security group * allow | security group * inbound |
        InvalidSubnetID | InvalidSubnet | InvalidSecurityGroupID | InvalidGroup NotFound |
        InvalidSecurityGroup | subnet * does not exist | security group * does not exist |
        subnets * not found
        """,
    ),
    rule(
        "file_system_mount",
        FailureClass.CONFIGURATION,
        """
        unable to mount | cannot mount | could not mount | failed to mount | fails to mount |
        failed to be mounted | mount failed | mounting failed | mount * timed out |
        mount * timeout | mount nfs | mount nfs4 | mount efs | mount lustre |
        mount * access denied by server | FileSystemNotFound | file system * does not exist |
        file system * not found | file system directory path | FSx * not reachable |
        EFS * not reachable | file system DNS name
        """,
    ),
)
