"""What machines and networks report: hardware, memory, disk, peers, the world outside."""

from resilience.failure_rules.rule import FailureClass, rule

BROKEN_MACHINE = (
    rule(
        "gpu_memory_error",
        FailureClass.INFRASTRUCTURE,
        """
        ECC error | ECC errors | ECC uncorrectable | ECCUncorrectable | uncorrectable ECC |
        double bit error | row remapping | row remapper | HBM * uncorrectable
        """,
    ),
    rule(
        "gpu_lost",
        FailureClass.INFRASTRUCTURE,
        """
        fallen off the bus | GPU is lost | determine the device handle | GSP timeout |
        GSP RPC timeout | RPC response from GPU | RmInitAdapter failed | GPU reset required |
        CUDA_ERROR_DEVICE_UNAVAILABLE | cudaErrorDevicesUnavailable
        """,
    ),
    rule(
        "gpu_link",
        FailureClass.INFRASTRUCTURE,
        """
        NVLink error | NVLink * fatal | uncorrectable NVLink | NVSwitch | fabric manager |
        system not yet initialized | PCIe bus error | PCIe error | PCI-E error
        """,
    ),
    # Xids 13, 31 and 43 tell of a program's fault, 45 of a clean-up: NVIDIA's table of Xid errors.
    rule(
        "gpu_xid",
        FailureClass.INFRASTRUCTURE,
        """
        Xid 48 | Xid 61 | Xid 62 | Xid 63 | Xid 64 | Xid 74 | Xid 79 | Xid 92 | Xid 94 | Xid 95 |
        Xid 119 | Xid 120 | Xid 140 | Xid 143 | Xid 144 | Xid 145 | Xid 149 | Xid 154
        """,
    ),
    rule(
        "instance_unhealthy",
        FailureClass.INFRASTRUCTURE,
        """
        hardware failure | hardware error | hardware fault | hardware issue |
        instance was unhealthy | unhealthy instance | instance is unhealthy | node is unhealthy |
        health check failed | health check failure | health checks failed | failed health check |
        failed the health check | fails health check | machine check exception |
        instance retirement | system status check | NRT_EXEC_HW_ERR | repairing training cluster
        """,
    ),
    # A GPU library that will not start, and does not say why: another machine is the quickest test.
    rule(
        "gpu_does_not_start",
        FailureClass.INFRASTRUCTURE,
        """
        CUDNN_STATUS_NOT_INITIALIZED | CUDNN_STATUS_INTERNAL_ERROR |
        CUDNN_STATUS_EXECUTION_FAILED | CUBLAS_STATUS_NOT_INITIALIZED |
        CUBLAS_STATUS_INTERNAL_ERROR | CUBLAS_STATUS_EXECUTION_FAILED |
        CUSOLVER_STATUS_INTERNAL_ERROR | cuDNN launch failure | CUSOLVER_STATUS_NOT_INITIALIZED |
        CUDA unknown error | CUDA_ERROR_UNKNOWN | CUDA driver initialization failed |
        busy or unavailable | driver library version mismatch | failed to initialize NVML |
        NVML error | CUDA error * unknown error | CUDA error initialization error |
        CUDA initialization error
        """,
    ),
)

MEMORY = (
    rule(
        "gpu_out_of_memory",
        FailureClass.OUT_OF_MEMORY,
        """
        CUDA out of memory | CUDA error out of memory | CUDA_ERROR_OUT_OF_MEMORY |
        cudaErrorMemoryAllocation | CUDA memory * exhausted | CUBLAS_STATUS_ALLOC_FAILED |
        CUDNN_STATUS_ALLOC_FAILED | HIP out of memory | OOM when allocating |
        RESOURCE_EXHAUSTED * memory | RESOURCE_EXHAUSTED * allocate | ResourceExhaustedError |
        torch OutOfMemoryError | cuda OutOfMemoryError | NRT_RESOURCE | GPU memory is full
        """,
    ),
    rule(
        "out_of_memory",
        FailureClass.OUT_OF_MEMORY,
        """
        out of memory | ran out of memory | OutOfMemory | OutOfMemoryError | MemoryError |
        ArrayMemoryError | more memory | larger memory | cannot allocate memory |
        can t allocate memory | could not allocate memory | failed to allocate memory |
        unable to allocate * array | unable to allocate * memory | memory allocation error |
        memory allocation failed | memory allocation failure | not enough memory |
        insufficient memory | insufficient system memory | exceeded * memory limit |
        memory limit exceeded | bad_alloc | badalloc | oom kill | oom killer | OOMKilled |
        low on resource memory | OOM
        """,
    ),
    # SIGKILL comes from the kernel's memory killer, far more often than from anyone else.
    rule(
        "killed",
        FailureClass.OUT_OF_MEMORY,
        """
        exit code 137 | exit code 9 | signal 9 | SIGKILL 9 | signal SIGKILL | signal killed |
        killed by SIGKILL | DataLoader worker * exited unexpectedly | terminated * SIGKILL |
        killed python | killed python3 | killed mpirun | ErrorMessage killed
        """,
    ),
)

STORAGE = (
    rule(
        "shared_memory",
        FailureClass.OUT_OF_MEMORY,
        """
        out of shared memory | shared memory limit | insufficient shared memory |
        not enough shared memory | shared memory segment | dev shm * no space left |
        no space left * dev shm | unable to allocate shared memory |
        unable to open shared memory | unable to write to file torch | bus error | SIGBUS |
        exit code 135 | signal 7
        """,
    ),
    # A disk that is too small fills again each time: a larger volume (VolumeSizeInGB) helps, and
    # that is a setting of the job, so neither the data nor the code is blamed.
    rule(
        "disk_full",
        FailureClass.CONFIGURATION,
        """
        no space left on device | insufficient disk space | not enough disk space |
        not enough free disk space | not enough free space | out of disk space | out of disk |
        disk is full | disk full | disk quota exceeded | not enough space on * disk |
        volume size | larger volume | VolumeSizeInGB * increase | Errno 28
        """,
    ),
)

OUTSIDE_WORLD = (
    rule(
        "storage_unreachable",
        FailureClass.INFRASTRUCTURE,
        """
        input output error | transport endpoint | stale file handle | stale NFS file handle |
        remote I O error | read-only file system
        """,
    ),
    rule(
        "service_unavailable",
        FailureClass.INFRASTRUCTURE,
        """
        429 client error | HTTP error 429 | rate limit | rate limited | bad gateway |
        gateway time out | gateway timeout | server error 5 | 500 server error |
        500 internal server error | 502 server error | 503 server error | 504 server error |
        HTTP error 500 | HTTP error 502 | HTTP error 503 | HTTP error 504 | status code 500 |
        status code 503 | error occurred 500 | error occurred 503 | service unavailable |
        service is unavailable | ServiceUnavailable | ServiceUnavailableException |
        temporarily unavailable | RequestTimeout | RequestTimeoutException | InternalFailure |
        InternalError 500
        """,
    ),
    rule(
        "network_unreachable",
        FailureClass.INFRASTRUCTURE,
        """
        max retries exceeded with url | establish a new connection | NewConnectionError |
        ConnectTimeoutError | ConnectTimeout | ReadTimeoutError | ReadTimeout | read timed out |
        connection timed out | connect timed out | connect timeout | name resolution |
        name or service not known | NameResolutionError | could not resolve | getaddrinfo |
        nodename nor servname | unable to resolve host | we couldn t connect to | couldn t reach |
        cannot connect to proxy | unable to connect to proxy | EndpointConnectionError |
        could not connect to the endpoint | remote end closed connection | RemoteDisconnected |
        IncompleteRead | connection broken | ProtocolError | unexpected EOF while reading |
        EOF occurred in violation of protocol | network is unreachable | no route to host |
        host is unreachable | run initialization has timed out | error communicating with wandb |
        wandb * network error | wandb * timed out | wandb * CommError | wandb * ServerError |
        internet connection | LocalEntryNotFoundError | response ended prematurely |
        ChunkedEncodingError | i o timeout | download failed * connection reset |
        download * timed out
        """,
    ),
)

LOST_PEERS = (
    rule(
        "collective",
        FailureClass.INFRASTRUCTURE,
        """
        NCCL | watchdog * timeout | watchdog * timed out | ncclSystemError | ncclInternalError |
        ncclRemoteError | ncclUnhandledCudaError | DistBackendError | unhandled system error |
        collective operation timeout | taking the entire process down | CCOM WARN |
        remote process exited or there was a network error | heartbeat monitor timed out |
        NET OFI | libfabric | EFA * error | ibv_poll_cq | InfiniBand | RDMA error |
        SMDDP * timeout | SMDDP * timed out | SMDDPTimeoutError | gloo * timed out |
        gloo * connection | gloo * read error | Horovod has been shut down |
        HorovodInternalError | initializing process group * barrier | UnavailableError |
        AbortedError
        """,
    ),
    rule(
        "rendezvous",
        FailureClass.INFRASTRUCTURE,
        """
        RendezvousConnectionError | RendezvousTimeoutError | RendezvousClosedError |
        rendezvous * timed out | rendezvous * timeout | DistStoreError | DistNetworkError |
        C10d store | client socket has timed out | client socket has failed | socket timeout |
        TCPStore | clients joined | recv got 0 bytes | waiting for clients
        """,
    ),
    rule(
        "lost_worker",
        FailureClass.INFRASTRUCTURE,
        """
        ORTE has lost | ORTE was unable | ORTE daemon | ORTE does not know | orted |
        lost communication with a remote daemon | PMIX ERROR | btl_tcp | RayActorError |
        actor died | node has died | node died | WorkerCrashedError | heartbeat timeout |
        missed heartbeat | worker lost
        """,
    ),
    rule(
        "connection_lost",
        FailureClass.INFRASTRUCTURE,
        """
        connection reset | ConnectionResetError | connection closed by | connection was closed |
        connection refused | ConnectionRefusedError | connection aborted | connection lost |
        ConnectionAbortedError | ConnectionError | broken pipe | BrokenPipeError |
        peer * disconnected
        """,
    ),
)
