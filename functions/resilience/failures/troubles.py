"""What people and programs write, where no code and no number in the statement says more.

The program's own faults come before lost peers, lost peers before the network, and the network
before input: data that did not arrive is the network's fault.
"""

from resilience.failures.phrasebook import Phrasebook

TROUBLES = Phrasebook(
    """
gpu_does_not_start =
    (cudnn|cublas|cusolver|cusparse|cufft|curand) (status |)(not initialized|internal
        error|execution failed); (cudnn|gemm|xgemm) launch (failure|failed);
    cuda & unknown error|initialization error|driver initialization failed|driver error;
    (busy or|devices) unavailable; driver library version mismatch; nvml & error|failed;
    cuda (driver |)initialization; launch timed out; nvidia container cli; create cudnn handle
gpu_program_fault = device side assert~ triggered; thread * assertion~;
    illegal (memory access|address|instruction); unspecified launch failure; misaligned address;
    invalid configuration argument; too many resources requested;
    (cublas|cudnn|cusolver|cusparse|cufft) (status |)(invalid value|bad param|not
        supported|mapping error|arch mismatch); forked subprocess;
    nccl * invalid (usage|argument); duplicate gpu; cuda error (invalid|peer access)
gpu_setup = nvidia driver & no|old|found; cuda driver version is insufficient; no kernel image;
    not compiled with cuda; no (cuda|nvidia|gpu|gpus)~ * (available|found|detected);
    no cuda (gpus|capable); invalid device ordinal; (use|requires|require|needs) a gpu;
    (bf16|fp16|bfloat16|fp8) & support~; compute capability; forward compatibility;
    unsupported display driver; unsupported toolchain
arguments = (unrecognized|following|unexpected|missing|required|positional) (arguments|argument);
    error argument; invalid choice; (no such|missing|unknown) option;
    hyperparameter|hyperparameters &
        invalid|required|missing|unexpected|allowed|range|must|cannot|validat~|initialize|tune|validation;
    additional properties; validate input data configuration; initialize the algorithm;
    channel is not specified; config~ & invalid|missing|unknown|unrecognized|not found
request_rejected = validation (error|errors); parameter validation; unknown parameter;
    (entity|project) * not (found|specified); invoke sagemaker;
    calling the createtrainingjob operation
diverged = (loss|grad|gradient|gradients|norm) & nan|non finite|inf|diverged|infinite;
    nan or inf~; (nan|non finite) (in|loss|gradient~); minimum loss scale; loss scale * minimum;
    training (has |)diverged
storage_unreachable = (input output|remote i o|i o) error; transport endpoint;
    stale (nfs |)file handle; read only file system; structure needs cleaning;
    nfs & (not responding|timed out)
dependency = no matching distribution; could not find a version; resolutionimpossible;
    failed (building wheel|to build); build wheels; built without; installmoduleerror;
    cannot open shared object; undefined symbol; (glibc|glibcxx) * not found
programming_error = resource temporarily unavailable; size mismatch; state dict; same device;
    shapes cannot be; address already in use
crashed = segmentation fault; segfault; sigsegv; core dumped; double free;
    corrupted (size|double)~
peer_lost = peerlost
collective = nccl; watchdog * (timeout|timed out); collective operation; entire process down;
    ccom; remote process exited; net (ofi|ib); libfabric; efa; infiniband; ibv poll cq; rdma;
    smddp; gloo; horovod; process group & barrier|timed out|timeout; nvshmem; ucx;
    mpi & unreachable|unable to reach; ranks & timed out|timeout
rendezvous = rendezvous; (coordination|distributed) service; c10d; tcpstore; diststoreerror;
    distnetworkerror; socket timeout; client socket; clients joined; store (get|wait)
lost_worker = orte (has|was|daemon|does); orted; pmix; btl tcp;
    (actor|node|raylet) (has |was |)(died|dead|killed);
    (worker|node|executor|host|agent|peer|task) (has |was |is
        |)(died|lost|disconnected|unreachable|failed|dead|crashed|unexpectedly);
    heartbeat|heartbeats & timeout|missed|lost|failed; system error
run_not_started = run initialization has timed out;
    (wandb|w b) * (timed out|timeout|service|sock)
throttled = rate (limit|limited|exceeded|limiting|limits); too many requests;
    (was|been|being|is) throttled; slow down
service_unavailable = (bad|502) gateway; gateway time out; gateway timeout;
    (service|server|services) (is |are |)(temporarily |currently
        |)(unavailable|overloaded|busy|down); server error; temporarily unavailable;
    service error; (try|retry) again later; internal server error;
    (please|and) retry (download|the|later)
network_unreachable = max retries exceeded; name (or service|resolution);
    (could not|couldn t|cannot|can t|unable to|failed to|not) (be
        |)(resolve|resolved|reached|establish);
    (could not|couldn t|cannot|can t|unable to|failed to|not) (connect to|connected to|reach url);
    (host|network) (is |was |)(unreachable|down); no route to host; new connection;
    connection (error|timed out|timeout|attempt~|broken|terminated|failed|interrupted|pool|to);
    (connect|read|write|connection|request|socket|handshake|io|i o|download|upload) (operation
        |)(timed out|timeout); remote end closed; incomplete read; eof & ssl|protocol|tls|reading;
    (ssl|tls) & failed|error|handshake|mac|record; consistency check failed;
    (connection|peer) * (reset|closed|aborted) * (url|http~|s3~|download~|upload~);
    (url|http~|s3~|download~|upload~) * connection (reset|closed|aborted|refused);
    internet connection; network (error|failure|issue|problem|connection|is down);
    server disconnected; proxy & connect~|error
connection_lost = connection (was |)(reset|closed|refused|aborted|lost); broken pipe;
    peer * (disconnected|closed); reset by peer; socket (closed|error|hang up);
    assign requested address; lost * (network|connection); (end of file|eof) * connection
input_missing = inputdata & no such file|not found|not exist|empty|no file|no files|find|access;
    no (file|files|data|images|training data|input
        data|samples|records|labels|parquet|csv|train|valid~) (were |was |)(found|available);
    (specified|requested) (key|bucket|object) * (not exist|not found);
    s3~ * (not exist|not found); num samples 0;
    (dataset|file|folder|directory|channel|bucket|object|batch) (is|was|are) empty;
    (empty|missing) (dataset|file|data|batch|input); found (0|no) (images|files|samples|valid~);
    channel * (not found|missing);
    (dataset|shard|tar|index|annotation|label)~ * (not found|does not exist|doesn t exist)
input_malformed =
    (is|are|was|file|files|image|images|record|records|header|archive|stream|shard|block|record
        at) (may be |)(corrupt|corrupted|truncated|malformed|damaged);
    (corrupt|corrupted|truncated|malformed|damaged|broken|bad|invalid|incomplete)
        (file|image|jpeg|png|record|records|data|archive|header|json|csv|parquet|manifest|block|zip|gzip|tar|label|labels|utf
        8|magic~|multibyte|checkpoint);
    (cannot|can t|could not|unable to|failed to) (identify|decode|parse|read~|load|tokenize) (the
        |)(image|file|data|libsvm|csv|json|record|records|manifest|label~|input|video|audio|header|parquet|channel);
    imread; (codec|utf 8) & decode; contenttype; content type;
    (libsvm|csv|data|file|label|input) format; magic (bytes|number); parquet (file|magic|footer);
    (not a|as a) (zip|gzip|valid|jpeg|png|parquet|tar)~; crc (error|check); determine delimiter;
    tokenizing data; parsing (json|csv|xml|line|row); unexpected eof & bytes|file|expected;
    ran out of input; end of stream; convert string to; contains nan;
    (label|labels) (must|are not|not|error|out of);
    number of (columns|features|classes|labels|feature|input);
    (expected|found) * (fields|columns); (manifest|json|jsonl|csv) * (invalid|valid|parse|error);
    illegal char; pytorchstreamreader; decompress~ data;
    unexpected end of (file|data|input|json|archive); could not be opened successfully
data_download = download failed; (failed|unable) to download; download * from s3~
artifact_upload = upload failed
"""
)

# Where the name of the exception does not say more either.
FALLBACK = Phrasebook(
    """
stalled = stalled nothing was heard
internal_error = internal (server|service|error|failure|exception); encountered an internal
timed_out = timed out; time out;
    timeout & exceeded|expired|waiting|due|reached|error|after|receiver;
    (deadline|timeout) exceeded; unreachable
exit_code = executeuserscripterror
unexplained_exception = traceback most recent; terminate called; mpi abort; check failed;
    ret check; assertion failed; raise; exception; aborted
"""
)
