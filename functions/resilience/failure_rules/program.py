"""What the training program reports: what it was refused or given wrongly, and its own errors."""

from resilience.failure_rules.rule import LOSS_DIVERGED, FailureClass, rule

GIVEN_WRONGLY = (
    # Also the operating system's "Permission denied" (Errno 13): it is the same on every machine,
    # and a person has to grant something, which is what this class promises its reader.
    rule(
        "access_denied",
        FailureClass.PERMISSION,
        """
        AccessDenied | AccessDeniedException | access denied | access is denied |
        permission denied | PermissionError | PermissionDenied | Errno 13 | not authorized |
        unauthorized | UnauthorizedOperation | UnauthorizedException | not permitted to perform |
        UnrecognizedClientException | 403 forbidden | forbidden 403 | operation forbidden |
        error occurred 403 | error occurred 401 | 403 client error | 401 client error |
        HTTP error 403 | HTTP error 401 | status code 403 | status code 401 | have permission |
        have permissions | have access | have the required permissions | has s3 |
        missing permission | missing permissions | insufficient permissions |
        insufficient privileges | explicit deny | InvalidAccessKeyId | SignatureDoesNotMatch |
        InvalidClientTokenId | InvalidToken | ExpiredToken | ExpiredTokenException |
        security token * expired | security token * invalid | unable to locate credentials |
        NoCredentialsError | could not find credentials | gated repo | GatedRepoError |
        access to model * is restricted | AuthenticationError | authentication failed |
        authentication required | invalid user token | bad credentials
        """,
    ),
    rule(
        "output_bucket",
        FailureClass.CONFIGURATION,
        "upload failed * bucket | upload failed * NoSuchBucket | upload failed * does not exist",
    ),
    rule(
        "gpu_setup",
        FailureClass.CONFIGURATION,
        """
        found no NVIDIA driver | NVIDIA driver on your system is too old |
        CUDA driver version is insufficient | no kernel image is available |
        not compiled with CUDA enabled | no CUDA GPUs are available | no CUDA-capable device |
        CUDA_ERROR_NO_DEVICE | invalid device ordinal | use a GPU instance | requires a GPU |
        no GPU found | doesn t support bf16 | bf16 * not supported |
        GPUs with compute capability | not supported by smdataparallel |
        forward compatibility was attempted | no NVIDIA GPU detected
        """,
    ),
    rule(
        "key_missing",
        FailureClass.CONFIGURATION,
        """
        api_key not configured | no API key | KeyError WANDB | KeyError HF_TOKEN |
        API key must be | API key is missing | wandb * UsageError
        """,
    ),
    rule(
        "arguments",
        FailureClass.CONFIGURATION,
        """
        unrecognized arguments | following arguments are required | error argument |
        invalid choice | no such option | required hyperparameter | required hyperparameters |
        hyperparameter validation | hyperparameters are not allowed | additional hyperparameters |
        additional properties are not allowed | invalid hyperparameter |
        hyperparameter * invalid | hyperparameter * not in range | hyperparameter * required |
        hyperparameter * must be | hyperparameters * must be | hyperparameter * cannot |
        is not a valid hyperparameter | validate hyperparameters |
        validate input data configuration | unable to initialize the algorithm |
        unsupported instance type | MissingMandatoryValue
        """,
    ),
    rule(
        "request_rejected",
        FailureClass.CONFIGURATION,
        """
        ValidationException | validation error detected | parameter validation failed |
        ParamValidationError | ResourceInUse | ResourceInUseException | ResourceNotFound |
        requested resource not found | InvalidParameterException | InvalidParameterValue |
        MissingParameter | distribution type is supported | failed to invoke sagemaker
        """,
    ),
    rule(
        "input_missing",
        FailureClass.DATA,
        """
        NoSuchKey | NoSuchBucket | specified key does not exist |
        specified bucket does not exist | S3 prefix * does not exist | error occurred 404 |
        HeadObject operation not found | no such file or directory * opt ml input data |
        FileNotFoundError * opt ml input data | no files found | no file found |
        no files were found | no data found | no training data | no input data | num_samples 0 |
        dataset is empty | empty dataset | empty file | file is empty | channel is empty |
        channel * not found | found 0 images | found 0 files | no images found
        """,
    ),
    rule(
        "input_malformed",
        FailureClass.DATA,
        """
        read data channel | imread | customer error * content-type | requested content-type |
        ContentType | unsupported content type | load libsvm data | load csv data |
        load * data with exception | libsvm format | csv format | data format | file format |
        could not determine delimiter | error tokenizing data | ParserError | EmptyDataError |
        JSONDecodeError | extra data line | UnicodeDecodeError | codec can t decode |
        UnidentifiedImageError | cannot identify image file | image file is truncated |
        broken data stream | broken PNG | corrupt JPEG | magic bytes not found | parquet file |
        ArrowInvalid | ArrowTypeError | DataLossError | corrupted record | truncated record |
        is corrupt | is corrupted | corrupted file | file corrupted | corrupt file | malformed |
        BadZipFile | BadGzipFile | not a gzip | not a zip file | crc error |
        file could not be opened successfully | ran out of input | end-of-stream marker |
        CRC check failed | could not convert string | input contains NaN | contains NaN |
        label must be | labels must be | labels are not | label_error | number of columns |
        number of features | DatasetGenerationError | DatasetGenerationCastError |
        UnexpectedFeatures | manifest * invalid | manifest * not valid | invalid manifest |
        manifest * parse | parse * manifest | manifest file | illegal char sub-sequence |
        PytorchStreamReader failed | failed finding central directory | invalid load key |
        HeaderTooLarge | MetadataIncompleteBuffer | InvalidHeaderDeserialization |
        invalid magic number | while decompressing data
        """,
    ),
)

# Behind the world outside: a transfer fails of a network or of a service, and of what it asks for.
TRANSFERS = (
    rule(
        "data_download",
        FailureClass.DATA,
        "data download failed | failed to download | unable to download | download * from S3",
    ),
    rule("artifact_upload", FailureClass.INFRASTRUCTURE, "artifact upload failed | upload failed"),
)

PROGRAMMING_ERRORS = (
    rule(
        "gpu_program_fault",
        FailureClass.USER_CODE,
        """
        device-side assert | thread * assertion | illegal memory access |
        unspecified launch failure | misaligned address | illegal instruction | MMU fault |
        invalid configuration argument | graphics exception | Xid 13 | Xid 31 | Xid 43 |
        CUBLAS_STATUS_INVALID_VALUE | CUDNN_STATUS_BAD_PARAM | CUDNN_STATUS_MAPPING_ERROR |
        forked subprocess | ncclInvalidUsage | ncclInvalidArgument | duplicate GPU detected
        """,
    ),
    # The training side's own word (docs/contract.md): it has marked the checkpoints since.
    rule(LOSS_DIVERGED, FailureClass.USER_CODE, "LossDiverged"),
    rule(
        "diverged",
        FailureClass.USER_CODE,
        """
        loss is NaN | NaN loss | loss * NaN | NaN * loss | FloatingPointError | non-finite |
        NaN or inf | NaN or infinite | loss scale already at minimum | minimum loss scale |
        loss diverged | training diverged | nan in gradients | gradients * nan
        """,
    ),
    rule(
        "programming_error",
        FailureClass.USER_CODE,
        """
        SyntaxError | IndentationError | TabError | ImportError | ModuleNotFoundError |
        NameError | UnboundLocalError | AttributeError | TypeError | ValueError | KeyError |
        IndexError | AssertionError | NotImplementedError | ZeroDivisionError | RecursionError |
        FileNotFoundError | NotADirectoryError | IsADirectoryError | InvalidArgumentError |
        loading state_dict | size mismatch for | expected all tensors to be on the same device |
        shapes cannot be multiplied | address already in use | EADDRINUSE
        """,
    ),
    rule(
        "dependency",
        FailureClass.USER_CODE,
        """
        no matching distribution found | could not find a version that satisfies |
        ResolutionImpossible | failed building wheel | conflicting dependencies |
        InstallModuleError | InstallRequirementsError | cannot open shared object file |
        undefined symbol
        """,
    ),
    rule(
        "crashed",
        FailureClass.USER_CODE,
        """
        segmentation fault | SIGSEGV | exit code 139 | exit code 11 | signal 11 | core dumped |
        double free | heap corruption | stack smashing
        """,
    ),
)
