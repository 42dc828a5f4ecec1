"""Lines that programs print whether a training goes well or not, and marks before lines."""

EXIT_NOTICE = (
    "[rank0]:[W312 00:49:03.941327307 ProcessGroupNCCL.cpp:1250] Warning: WARNING: process group"
    " has NOT been destroyed before we destruct ProcessGroupNCCL. On normal program exit, the"
    " application should call destroy_process_group to ensure that any pending NCCL operations have"
    " finished in this process. In rare cases this process can exit before this point and block the"
    " progress of another member of the process group. This constraint has always been present, "
    " but this warning has only been added since PyTorch 2.4 (function operator())"
)

LINES = (
    EXIT_NOTICE,
    "algo-1:61:61 [0] NCCL INFO Bootstrap : Using eth0:10.0.208.24<0>",
    "algo-2:73:301 [3] NCCL INFO NET/OFI Selected Provider is efa (found 4 nics)",
    "algo-1:61:120 [0] NCCL INFO [Service thread] Connection closed by localRank 1",
    "algo-1:61:120 [0] NCCL INFO comm 0x55d0c1 rank 0 nranks 16 cudaDev 0 - Abort COMPLETE",
    "NCCL version 2.18.1+cuda12.1",
    (
        "Exception ignored in: <function _MultiProcessingDataLoaderIter.__del__ at"
        " 0x7f2a3c0d5b80>\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/conda/lib/python3.10/site-packages/torch/utils/data/dataloader.py",'
        " line 1478\n"
        "    self._shutdown_workers()\n"
        "AssertionError: can only test a child process"
    ),
    "Exception ignored in: <Finalize object, dead>",
    (
        "Exception ignored in atexit callback: <bound method rmtree of x>\n"
        "Traceback (most recent call last):\n"
        '  File "/opt/x.py", line 3, in f\n'
        "    os.rmdir(x)\n"
        "OSError: [Errno 16] Device or resource busy: '.nfs0001'"
    ),
    (
        "/opt/conda/lib/python3.10/site-packages/torch/storage.py:315: UserWarning: TypedStorage is"
        " deprecated. It will be removed in the future\n  warnings.warn(message, UserWarning)"
    ),
    (
        "/usr/lib/python3.8/multiprocessing/resource_tracker.py:216: UserWarning: resource_tracker:"
        " There appear to be 12 leaked semaphore objects to clean up at shutdown\n"
        "  warnings.warn('resource_tracker: There appear to be %d '"
    ),
    "FutureWarning: `torch.cuda.amp.autocast(args...)` is deprecated.",
    (
        "WARNING:torch.distributed.run:\n*****************************************\n"
        "Setting OMP_NUM_THREADS environment variable for each process to be 1 in default, to avoid"
        " your system being overloaded, please further tune the variable for optimal performance.\n"
        "*****************************************"
    ),
    (
        "W0312 00:49:04.930000 184948 torch/distributed/elastic/multiprocessing/api.py:897] Sending"
        " process 185003 closing signal SIGTERM"
    ),
    (
        "[W socket.cpp:558] [c10d] The client socket has failed to connect to [localhost]:12355"
        " (errno: 99 - Cannot assign requested address)."
    ),
    (
        "bash: cannot set terminal process group (-1): Inappropriate ioctl for device\n"
        "bash: no job control in this shell"
    ),
    "2024-03-01 12:00:01,123 sagemaker-training-toolkit INFO     Imported framework",
    "INFO:root:epoch 3 step 1200 loss 2.31 throughput 311.2",
    "[INFO|trainer.py:2048] 2024-03-01 12:00:01,123 >> ***** Running training *****",
    (
        "2024-03-01 12:00:01.123456: W tensorflow/platform/default/dso_loader.cc:64] Could not load"
        " dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open"
        " shared object"
        " file: No such file or directory"
    ),
    (
        "2024-03-01 12:00:01.123456: E"
        " external/local_xla/xla/stream_executor/cuda/cuda_dnn.cc:9261]"
        " Unable to register cuDNN factory: one has already been registered"
    ),
    "wandb: Waiting for W&B process to finish... (failed 1). Press Control-C to abort syncing.",
    "wandb: WARNING The get_url method is deprecated and will be removed in a future release.",
    "wandb: Find logs at: ./wandb/run-20240301_120001-abc/logs",
    "wandb: Network error (ReadTimeout), entering retry loop.",
    (
        "huggingface/tokenizers: The current process just got forked, after parallelism has already"
        " been used. Disabling parallelism to avoid deadlocks..."
    ),
    "Epoch 3:  45%|████▌     | 450/1000 [12:34<15:22,  1.68s/it, loss=2.31]",
    "Warning: Permanently added 'algo-2,10.0.163.97' (ECDSA) to the list of known hosts.",
    "Some weights of BertForSequenceClassification were not initialized from the model checkpoint",
    "[2024-03-01 12:00:01,123] [WARNING] [runner.py:202:fetch_hostfile] Unable to find hostfile",
    (
        "Primary job  terminated normally, but 1 process returned\na non-zero exit code. Per"
        " user-direction, the job has been aborted."
    ),
    (
        "WARNING:urllib3.connectionpool:Retrying (Retry(total=2)) after connection broken by"
        " 'NewConnectionError('<HTTPSConnection object at 0x7f702ed53550>: Failed to"
        " establish a new"
        " connection')': /api/5288891/envelope/"
    ),
    '{"level": "info", "ts": 1709294401.1, "msg": "checkpoint saved, capacity 80 percent"}',
    '{"time": "2024-03-01T12:00:01Z", "level": "WARNING", "message": "connection reset by peer"}',
    "OMP: Info #276: omp_set_nested routine deprecated, please use omp_set_max_active_levels.",
    "The attention mask and the pad token id were not set.",
    "Using bfloat16 Automatic Mixed Precision (AMP)",
    "DEBUG:filelock:Lock 140 acquired on /root/.cache/x.lock",
    "LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0,1,2,3,4,5,6,7]",
)

PREFIXES = (
    "[rank3]: ",
    "[1,mpirank:7,algo-1]<stderr>:",
    "[1,2]<stdout>:",
    "algo-1-abcde | ",
    "(RayTrainWorker pid=123, ip=10.0.0.1) ",
    "[default0]:",
    "\x1b[36m(train pid=12)\x1b[0m ",
    "2024-03-01 12:00:01,123 - root - ERROR - ",
)

WRAPPERS = (
    "AlgorithmError: {}",
    "\n  {}\n",
    "AlgorithmError: {}, exit code: 1",
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{}"\nCommand "x"',
    (
        'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{}"\nCommand '
        "\"/opt/conda/bin/python3.9 train.py --note 'CUDA out of memory' --on \"spot"
        ' interruption"",'
        " exit code: 1"
    ),
    "UnexpectedStatusException: Error for Training job a-1: Failed. Reason: {}",
    "Error for Training job nccl-error-137: Failed. Reason: AlgorithmError: {}",
)
