"""What people and programs write, by object and trouble, before any code or number is looked at.

A statement often names several troubles at once. So a broken machine comes before all, and a full
disk and memory before what fails of them; then what AWS says itself, and what was refused.
"""

from resilience.failures.phrasebook import Phrasebook

CAUSES = Phrasebook(
    """
gpu_memory_error = ecc (error|errors); ecc & uncorrectable; double bit (error|ecc);
    row (remap~|remapper)
gpu_lost = fallen off the bus; gpu (is|was) lost; determine the device handle; gsp * timeout;
    rpc response from gpu; rminitadapter failed; gpu (reset required|requires reset)
gpu_link = nvlink & error|errors|fatal|uncorrectable; nvswitch & error|errors|fatal|failed;
    fabric manager; system not yet initialized; (pcie|pci e) (bus|link|error|errors)
instance_unhealthy = hardware (failure|failures|error|errors|fault|issue|issues|problem);
    (instance|node|host) (was|is|became) unhealthy; unhealthy (instance|node|host);
    health (check|checks) & failed|fails|failure; machine check exception;
    instance (retirement|status check); system status check; repairing training cluster
run_deleted = previously created and deleted
shared_memory = shared memory & out of|limit|insufficient|enough|unable|cannot|error; bus error;
    devshm & no space; write to file torch
disk_full = no (space|inodes) left;
    (insufficient|enough|enough free|out of|no free|run out of) (disk|disk space|space on~|free
        space|storage space); (disk|volume|storage|filesystem) (is |was |almost |)full;
    disk quota; pytorchstreamwriter failed writing; inline container * unexpected pos;
    volumesizeingb
gpu_out_of_memory = (cuda|hip|gpu|device|hbm|xla|cublas) & out of memory|outofmemory|oom;
    (cuda|gpu|device) memory & exhausted|full|insufficient|enough; cudaerrormemoryallocation;
    (cublas|cudnn|cusolver|cusparse|cufft|curand) (status |)alloc failed;
    resource exhausted & memory|allocat~|hbm; dst tensor is not initialized
out_of_memory = out of memory; outofmemory; oom; oomkilled; bad alloc; more memory;
    low on resource memory;
    (cannot|can t|could not|couldn t|unable to|failed to|failure to) (allocate|alloc|malloc|mmap);
    memory (allocation |)(error|failed|failure|exhausted); memory limit & exceed~|reached;
    (insufficient|enough|insufficient system|enough free) memory
killed = (killed|terminated) by (signal |)(sigkill|kill|killed); killed python~; line * killed;
    dataloader worker * exited unexpectedly; killed by the (kernel|os)
spot_interruption = spot & interrupt~|terminat~|reclaim~|preempt~;
    max wait time|maxwaittime & exceed~; maxwaittimeexceeded; (was|been|being|got) preempted;
    preemption (notice|event); due to preemption; interruption (notice|warning)
time_limit = maxruntimeexceeded;
    exceeded|exceeds & maxruntime|maxruntimeinseconds|max runtime|maximum runtime|maximum run
        time|maximum allowed runtime|max run time; due to time limit
not_in_region =
    not (available|supported) in (this |the |your |any |)(requested |specified |)region;
    not supported in * availability zone
vpc_used_up = eni|enis|network interface|network interfaces & limit|exceed~|maximum|reached;
    (free|available|enough|insufficient|no) (ip|ips|ip addresses|ip address|free
        addresses|addresses)
capacity = capacity & insufficient|sufficient|unable|unavailable|not available|provision;
    (no|enough|compute|instance) capacity; different (ml |)instance type;
    insufficient (nvidia|gpu)
quota = (service|account|account level service) (limit|quota|quotas);
    quota & exceed~|reached|increase; exceed~ the (limit|maximum number) (of|for);
    increase for this limit; maximum number of
input_missing = no s3 objects found
role_not_assumed = (assume|assuming) (the |)role; assumerole; trust (relationship|policy);
    passrole
kms = kms & denied|disabled|permission|permissions|permitted|allowed|access|inaccessible|exist;
    ciphertext refers to
image_missing = manifest unknown; manifest for * not found; no matching manifest;
    (requested|training|docker|container) image & not found|invalid|exist;
    (repository|image) * (not found|does not exist) * (registry|repository)
image_pull_timeout =
    pull|cannotpullcontainererror|image & timeout|timed out|connection reset|tls handshake|request
        canceled
image_refused = cannot pull algorithm container; pull access denied; access denied for repository;
    grant ecr; ecr & denied|authorized|auth; cannotpullcontainererror;
    (failed|unable|error) (to |)pull~ * image
entry_point = executable file not found; exec format error; exec user process; command not found;
    launch the specified application; can t open file * no such file
network_route = route table; vpc endpoint; nat (device|gateway); network acl;
    security (group|groups) & allow~|inbound|outbound|exist; subnet * does not exist
file_system_mount =
    mount~ & failed|fails|unable|cannot|could not|timed
        out|timeout|incorrect|denied|error|parse|attempt;
    (file system|filesystem) * (not found|does not exist|not be resolved);
    (file system|fsx|efs) & reachable|directory path|dns name
output_bucket = upload failed * (bucket|nosuchbucket|does not exist)
credentials_expired = token|credentials & expired; retrieving credentials
key_missing = traffic has been disabled; offline mode is enabled;
    (api key|apikey) & configured|missing|no|required|must|set|provide;
    keyerror (wandb|hf token|aws)
access_denied = (access|permission) (is |was |)denied; unauthorized;
    not (authorized|permitted to|allowed to access); explicit deny;
    (have|has|lack|lacks|missing|insufficient|required|without|no|necessary|has s3~) (the
        |)(permission|permissions|access|privilege|privileges|write access|read access);
    permission~ (to|for) * s3; ensure * role * permission~;
    (authentication|authorization) (is |)(failed|required|error|invalid|needed);
    (invalid|wrong|bad|malformed|incorrect) (user |access |auth |security |bearer
        |)(credentials|user token|access token|auth token|security token|bearer token|api
        key|apikey|key id|username or password); token * (is|was) (invalid|malformed|revoked);
    credentials & locate|find|no|could not be; access key id; gated repo; is restricted;
    (operation|request) forbidden; (log in|logged in|login) * (access|token|required)
"""
)
