"""Phrasebooks: what people and programs write, by object and trouble, from cause to symptom.

A text often names several troubles at once. So a broken machine comes before all, a full disk and
memory before what fails of them, what was refused or given wrongly before the network, the network
before lost peers, and what is left at the end.
"""

from resilience.failures import rules
from resilience.failures.phrasebook import Phrasebook

# Before any code or number in the statement.
CAUSES = Phrasebook(
    (
        rules.GPU_MEMORY_ERROR,
        "ecc (error|errors); ecc & uncorrectable; double bit (error|ecc); row (remap~|remapper)",
    ),
    (
        rules.GPU_LOST,
        """fallen off the bus; gpu (is|was) lost; error gpu is lost; determine the device handle;
        gsp * timeout; rpc response from gpu; rminitadapter failed;
        gpu (reset required|requires reset)""",
    ),
    (
        rules.GPU_LINK,
        """nvlink & error|errors|fatal|uncorrectable; nvswitch & error|errors|fatal|failed;
        fabric manager; system not yet initialized; (pcie|pci e) (bus|link|error|errors)""",
    ),
    (
        rules.INSTANCE_UNHEALTHY,
        """hardware (failure|failures|error|errors|fault|issue|issues|problem);
        (instance|node|host) (was|is|became) unhealthy; unhealthy (instance|node|host);
        health (check|checks) & failed|fails|failure; machine check exception;
        instance (retirement|status check); system status check; repairing training cluster""",
    ),
    (
        rules.RUN_DELETED,
        "previously created and deleted",
    ),
    (
        rules.SHARED_MEMORY,
        """shared memory & out of|limit|insufficient|enough|unable|cannot|error; bus error;
        devshm & no space; write to file torch""",
    ),
    (
        rules.DISK_FULL,
        """no (space|inodes) left; (insufficient|enough|enough free|out of|no free|run out of)
        (disk|disk space|space on~|free space|storage space); (disk|volume|storage|filesystem)
        (is |was |almost |)full; storagefull; disk quota; disk * quota exceeded;
        enough space; pytorchstreamwriter failed writing; file write failed;
        inline container * unexpected pos; (larger|increase the|bigger) volume;
        volumesizeingb""",
    ),
    (
        rules.GPU_OUT_OF_MEMORY,
        """(cuda|hip|gpu|device|hbm|xla|cublas) & out of memory|outofmemory|oom; oom when allocating;
        (cuda|gpu|device) memory & exhausted|full|insufficient|enough;
        cudaerrormemoryallocation; (cublas|cudnn|cusolver|cusparse|cufft|curand) (status |)alloc failed; resource exhausted & memory|allocat~|hbm; dst tensor is not initialized;
        failed to allocate * device""",
    ),
    (
        rules.OUT_OF_MEMORY,
        """out of memory; outofmemory; oom; oom (kill|killer); oomkilled; bad alloc; badalloc;
        more memory; larger memory; low on resource memory;
        (cannot|can t|could not|couldn t|unable to|failed to|failure to) (allocate|alloc|malloc|mmap); memory (allocation |)(error|failed|failure|exhausted); memory limit & exceed~|reached;
        (insufficient|enough|insufficient system|enough free) memory; memory & exhausted""",
    ),
    (
        rules.KILLED,
        """(killed|terminated) by (signal |)(sigkill|kill|killed); signal killed; killed python~;
        line * killed; dataloader worker * exited unexpectedly; killed by the (kernel|os)""",
    ),
    (
        rules.SPOT_INTERRUPTION,
        """spot & interrupt~|terminat~|reclaim~|preempt~; max wait time|maxwaittime & exceed~;
        maxwaittimeexceeded; (was|been|being|got) preempted; preempted by; node preemption;
        preemption (notice|event); due to preemption; interruption (notice|warning)""",
    ),
    (
        rules.TIME_LIMIT,
        """maxruntimeexceeded; exceeded|exceeds & maxruntime|maxruntimeinseconds|max runtime|
        maximum runtime|maximum run time|maximum allowed runtime|max run time; due to time limit""",
    ),
    (
        rules.NOT_IN_REGION,
        """not (available|supported) in (this |the |your |any |)(requested |specified |)region; no subnets * support; not supported in * availability zone""",
    ),
    (
        rules.VPC_USED_UP,
        """eni|enis|network interface|network interfaces & limit|exceed~|maximum|reached;
        (free|available|enough|insufficient|no) (ip|ips|ip addresses|ip address|free addresses|
        addresses)""",
    ),
    (
        rules.CAPACITY,
        """capacity & insufficient|sufficient|unable|unavailable|not available|provision;
        (no|enough|compute|instance) capacity; different (ml |)instance type;
        insufficient (nvidia|gpu)""",
    ),
    (
        rules.QUOTA,
        """(service|account|account level service) (limit|quota|quotas); quota & exceed~|reached|
        increase; exceed~ the (limit|maximum number) (of|for); increase for this limit;
        maximum number of""",
    ),
    (rules.INPUT_MISSING, "no s3 objects found; no objects found under"),
    (
        rules.ROLE_NOT_ASSUMED,
        "(assume|assuming) (the |)role; assumerole; trust (relationship|policy); passrole",
    ),
    (
        rules.KMS,
        """kms & denied|disabled|permission|permissions|permitted|allowed|access|inaccessible|
        exist; kms (decrypt|generatedatakey|creategrant); ciphertext refers to;
        inaccessible * key""",
    ),
    (
        rules.IMAGE_MISSING,
        """manifest unknown; manifest for * not found; no matching manifest;
        (requested|training|docker|container) image & not found|invalid|exist;
        image with imageid; (repository|image) * (not found|does not exist) * (registry|repository)
        """,
    ),
    (
        rules.IMAGE_PULL_TIMEOUT,
        """pull|cannotpullcontainererror|image & timeout|timed out|connection reset|tls handshake|
        request canceled""",
    ),
    (
        rules.IMAGE_REFUSED,
        """cannot pull algorithm container; pull access denied; access denied for repository;
        grant ecr; ecr & denied|authorized|auth; cannotpullcontainererror; no basic auth;
        (failed|unable|error) (to |)pull~ * image; registry auth""",
    ),
    (
        rules.ENTRY_POINT,
        """executable file not found; exec format error; exec user process; command not found; launch the specified application;
        can t open file * no such file""",
    ),
    (
        rules.NETWORK_ROUTE,
        """route table; vpc endpoint; nat (device|gateway); network acl;
        security (group|groups) & allow~|inbound|outbound|exist; subnet * does not exist""",
    ),
    (
        rules.FILE_SYSTEM_MOUNT,
        """mount~ & failed|fails|unable|cannot|could not|timed out|timeout|incorrect|denied|error|
        parse|attempt; (file system|filesystem) * (not found|does not exist|not be resolved);
        (file system|fsx|efs) & reachable|directory path|dns name""",
    ),
    (
        rules.OUTPUT_BUCKET,
        "upload failed * (bucket|nosuchbucket|does not exist)",
    ),
    (
        rules.CREDENTIALS_EXPIRED,
        """token|credentials & expired; retrieving credentials; ecs metadata;
        (refresh|metadata) * credentials * (failed|error)""",
    ),
    (
        rules.KEY_MISSING,
        """traffic has been disabled; offline mode is enabled; (api key|apikey) & configured|missing|no|required|must|set|provide;
        keyerror (wandb|hf token|aws)""",
    ),
    (
        rules.ACCESS_DENIED,
        """(access|permission) (is |was |)denied;
        unauthorized; not (authorized|permitted to|allowed to access); explicit deny;
        (have|has|lack|lacks|missing|insufficient|required|without|no|necessary|has s3~)
        (the |)(permission|permissions|access|privilege|privileges|write access|read access);
        permission~ (to|for) * s3; ensure * role * permission~;
        (authentication|authorization) (is |)(failed|required|error|invalid|needed);
        (invalid|wrong|bad|malformed|incorrect) (user |access |auth |security |)(token|credentials|api key|apikey|key id|username or password);
        token * (is|was) (invalid|malformed|revoked); credentials & locate|find|no|could not be;
        access key id; gated repo; is restricted; (operation|request) forbidden;
        (log in|logged in|login) * (access|token|required)""",
    ),
)

# After the codes and numbers: more general sentences.
TROUBLES = Phrasebook(
    (
        rules.GPU_DOES_NOT_START,
        """(cudnn|cublas|cusolver|cusparse|cufft|curand) (status |)(not initialized|internal error|
        execution failed); (cudnn|gemm|xgemm) launch (failure|failed);
        cuda & unknown error|initialization error|driver initialization failed|driver error;
        (busy or|devices) unavailable; driver library version mismatch; nvml & error|failed;
        cuda (driver |)initialization; launch timed out; nvidia container cli;
        failed call to cuinit; create cudnn handle; driver not loaded""",
    ),
    (
        rules.GPU_PROGRAM_FAULT,
        """device side assert~ triggered; thread * assertion~; illegal (memory access|address|
        instruction); unspecified launch failure; misaligned address; invalid configuration
        argument; too many resources requested; graphics exception; mmu fault;
        (cublas|cudnn|cusolver|cusparse|cufft) (status |)(invalid value|bad param|not supported|
        mapping error|arch mismatch); forked subprocess; nccl * invalid (usage|argument);
        ncclinvalidusage; ncclinvalidargument; duplicate gpu; cuda error (invalid|peer access)""",
    ),
    (
        rules.GPU_SETUP,
        """nvidia driver & no|old|found; cuda driver version is insufficient;
        no kernel image; not compiled with cuda; torch not compiled;
        no (cuda|nvidia|gpu|gpus)~ * (available|found|detected); no cuda (gpus|capable);
        invalid device ordinal; (use|requires|require|needs) a gpu;
        (bf16|fp16|bfloat16|fp8) & support~; compute capability; forward compatibility;
        unsupported display driver; unsupported toolchain; not supported by smdataparallel""",
    ),
    (
        rules.ARGUMENTS,
        """(unrecognized|following|unexpected|missing|required|positional) (arguments|argument);
        error argument; invalid choice; (no such|missing|unknown) option;
        hyperparameter|hyperparameters & invalid|required|missing|unexpected|allowed|range|must|cannot|validat~|
        initialize|tune|validation; additional properties; validate input data configuration;
        initialize the algorithm; unsupported instance type; no * specified * required; channel is not specified;
        config~ & invalid|missing|unknown|unrecognized|not found""",
    ),
    (
        rules.REQUEST_REJECTED,
        """validation (error|errors); parameter validation; unknown parameter; (entity|project) * not (found|specified); (distribution|training) type is supported;
        requested resource not found; invoke sagemaker; calling the createtrainingjob operation""",
    ),
    (
        rules.DIVERGED,
        """(loss|grad|gradient|gradients|norm) & nan|non finite|inf|diverged|infinite; nan or inf~;
        (nan|non finite) (in|loss|gradient~); minimum loss scale; loss scale * minimum;
        training (has |)diverged""",
    ),
    (
        rules.STORAGE_UNREACHABLE,
        """(input output|remote i o|i o) error; transport endpoint; stale (nfs |)file handle;
        read only file system; structure needs cleaning; nfs & (not responding|timed out)""",
    ),
    (
        rules.DEPENDENCY,
        """no matching distribution; could not find a version; resolutionimpossible;
        conflicting dependencies; failed (building wheel|to build); build wheels; built without; installmoduleerror;
        installrequirementserror; cannot open shared object; undefined symbol;
        requires * but you have; (glibc|glibcxx) * not found; metadata generation failed""",
    ),
    (
        rules.PROGRAMMING_ERROR,
        """resource temporarily unavailable; size mismatch; state dict; same device; shapes cannot be; address already in use;
        eaddrinuse""",
    ),
    (
        rules.CRASHED,
        """segmentation fault; segfault; sigsegv; core dumped; double free; heap corruption;
        stack smashing; corrupted (size|double)~; free invalid""",
    ),
    (
        rules.COLLECTIVE,
        """nccl; watchdog * (timeout|timed out); collective operation; distbackenderror;
        unhandled (system|cuda) error; entire process down; ccom; remote process exited;
        net (ofi|ib); libfabric; efa; infiniband; ibv poll cq; rdma; smddp; gloo; horovod; horovodinternalerror;
        process group & barrier|timed out|timeout; heartbeat monitor; nvshmem; ucx; mpi & unreachable|unable to reach; ranks & timed out|timeout""",
    ),
    (
        rules.RENDEZVOUS,
        """rendezvous; c10d; tcpstore; diststoreerror; distnetworkerror; socket timeout;
        client socket; clients joined; recv got 0; waiting for clients; store (get|wait)""",
    ),
    (
        rules.LOST_WORKER,
        """orte (has|was|daemon|does); orted; remote daemon; pmix; btl tcp; (actor|node|raylet) (has |was |)(died|dead|killed); (worker|node|executor|host|agent|peer|task) (has |was |is |)(died|lost|disconnected|unreachable|failed|dead|crashed|unexpectedly);
        heartbeat|heartbeats & timeout|missed|lost|failed; keepalive; system error""",
    ),
    (
        rules.RUN_NOT_STARTED,
        "run initialization has timed out; (wandb|w b) * (timed out|timeout|service|sock)",
    ),
    (
        rules.THROTTLED,
        """rate (limit|limited|exceeded|limiting|limits); too many requests; (was|been|being|is)
        throttled; (request|requests) throttl~; slow down; request rate; concurrent requests""",
    ),
    (
        rules.SERVICE_UNAVAILABLE,
        """(bad|502) gateway; gateway time out; gateway timeout; (service|server|services) (is |are |)(temporarily |currently |)(unavailable|overloaded|busy|down); server error; temporarily unavailable;
        service error; (try|retry) again later; internal server error; under maintenance;
        (please|and) retry (download|the|later)""",
    ),
    (
        rules.NETWORK_UNREACHABLE,
        """max retries exceeded; name (or service|resolution); (could not|couldn t|cannot|can t|
        unable to|failed to|not) (be |)(resolve|resolved|connect|connected|reach|reached|establish)
        ; (host|network) (is |was |)(unreachable|down); no route to host; nodename nor servname;
        getaddrinfo; new connection; connection (error|timed out|timeout|attempt~|broken|terminated|
        failed|interrupted|pool|to); (connect|read|write|connection|request|socket|handshake|io|i o|
        download|upload) (operation |)(timed out|timeout);
        remote end closed; incomplete read; incompleteread; response ended; eof & ssl|protocol|tls|reading;
        (ssl|tls) & failed|error|handshake|mac|record; bad record mac; consistency check failed;
        (connection|peer) * (reset|closed|aborted) * (url|http~|s3~|download~|upload~);
        (url|http~|s3~|download~|upload~) * connection (reset|closed|aborted|refused);
        internet connection; network (error|failure|issue|problem|connection|is down);
        cas service; did not match expected; (error|errors) (during|while) download~;
        communicating with; server disconnected; proxy & connect~|error; transfer closed""",
    ),
    (
        rules.CONNECTION_LOST,
        """connection (was |)(reset|closed|refused|aborted|lost); broken pipe; peer *
        (disconnected|closed); reset by peer; socket (closed|error|hang up); assign requested
        address; lost * (network|connection); (end of file|eof) * connection""",
    ),
    (
        rules.INPUT_MISSING,
        """inputdata & no such file|not found|not exist|empty|no file|no files|find|access;
        no (file|files|data|images|training data|input data|samples|records|labels|parquet|csv|
        train|valid~) (were |was |)(found|available); (specified|requested) (key|bucket|object)
        * (not exist|not found); s3~ * (not exist|not found); num samples 0;
        (dataset|file|folder|directory|channel|bucket|object|batch) (is|was|are) empty;
        (empty|missing) (dataset|file|data|batch|input); found (0|no) (images|files|samples|
        valid~); channel * (not found|missing); is not present on the bucket;
        (dataset|shard|tar|index|annotation|label)~ * (not found|does not exist|doesn t exist)""",
    ),
    (
        rules.INPUT_MALFORMED,
        """(is|are|was|file|files|image|images|record|records|header|archive|stream|shard|block|
        record at) (may be |)(corrupt|corrupted|truncated|malformed|damaged);
        (corrupt|corrupted|truncated|malformed|damaged|broken|bad|invalid|incomplete) (file|image|
        jpeg|png|record|records|data|archive|header|json|csv|parquet|manifest|block|zip|gzip|tar|
        label|labels|utf 8|magic~|multibyte|checkpoint);
        (cannot|can t|could not|unable to|failed to) (identify|decode|parse|read~|load|tokenize)
        (the |)(image|file|data|libsvm|csv|json|record|records|manifest|label~|input|video|
        audio|header|parquet|channel); imread; (codec|utf 8) & decode; contenttype; content type;
        (libsvm|csv|data|file|label|input) format; magic (bytes|number); parquet (file|magic|footer);
        (not a|as a) (zip|gzip|valid|jpeg|png|parquet|tar)~; crc (error|check); checksum;
        determine delimiter; tokenizing data; parsing (json|csv|xml|line|row); unexpected eof & bytes|file|
        expected; extra data; ran out of input; end of stream;
        convert string to; contains nan; (label|labels) (must|are not|not|
        error|out of); number of (columns|features|classes|labels|feature|input);
        mismatch between number; (expected|found) * (fields|columns); (manifest|json|jsonl|csv) *
        (invalid|valid|parse|error); invalid manifest; firstline; illegal char;
        pytorchstreamreader; central directory; invalid load key; headertoolarge; header too large;
        (incomplete|invalid) (metadata|header)~; decompress~ data; unexpected end of (file|data|
        input|json|archive); no columns to parse; schema & mismatch|match|cast~; cast * features;
        could not be opened successfully""",
    ),
    (rules.DATA_DOWNLOAD, "download failed; (failed|unable) to download; download * from s3~"),
    (rules.ARTIFACT_UPLOAD, "upload failed"),
)

# Where neither a name nor a code says more.
REMAINS = Phrasebook(
    (
        rules.INTERNAL_ERROR,
        "internal (server|service|error|failure|exception); encountered an internal",
    ),
    (
        rules.TIMED_OUT,
        """timed out; time out; timeout & exceeded|expired|waiting|due|reached|error|after|receiver;
        (deadline|timeout) exceeded; unresponsive; unreachable""",
    ),
    (rules.EXIT_CODE, "executeuserscripterror"),
    (
        rules.UNEXPLAINED,
        """traceback most recent; terminate called; mpi abort; check failed; ret check; assertion failed;
        raise; thrown; exception; aborted""",
    ),
)
