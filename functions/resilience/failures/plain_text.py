"""A failure text without its wrappers: small letters, no colours, commands, addresses and paths.

Ranks and times of logs become the ends of lines, for each begins something new.
"""

import re

# What only capital letters tell from prose.
_LEVEL = re.compile(r"(?<![\w.(])(INFO|DEBUG|NOTICE|WARNING)\b(?![.(]):?")
_ERROR_LEVEL = re.compile(r"(?<!\w )\bERROR:")
_GRPC_STATUS = re.compile(
    r"\b(?:StatusCode\.)?(UNAVAILABLE|ABORTED|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|DATA_LOSS"
    r"|PERMISSION_DENIED|UNAUTHENTICATED|NOT_FOUND|INVALID_ARGUMENT|FAILED_PRECONDITION"
    r"|OUT_OF_RANGE|UNIMPLEMENTED)(?=:)"
)
_GLOG = re.compile(r"(\[?)\b([iwef])(?=\d{3,4} \d\d:\d\d:\d\d| [\w/.-]{1,100}:\d{1,6}\])")
_OF_LETTERS = {"i": "info: ", "w": "warning: ", "e": "[error] ", "f": "[error] "}

_ANSI = re.compile(r"\x1b\[[0-9;]{0,20}[a-z]")
_RANK = re.compile(
    r"\[(?:rank|default)\s?\d{1,6}\]:? ?"
    r"|\[\d{1,6},[^\]\n]{1,60}\]<std(?:err|out)>:? ?"
    r"|\((?:[\w:.]{1,60} )?pid=\d+[^)\n]{0,60}\) ?"
    r"|^(?:rank\s?\d{1,6}:|\[?algo-\d{1,4}(?:-\w{1,20})?\]?\s?[|:]|\d{1,4}:) ?",
    re.MULTILINE,
)
_TIME = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[ t]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?z?(?:[+-]\d\d:?\d\d)?[\])]?"
)
_LOG_AS_JSON = re.compile(
    r'\{[^{}\n]{0,400}"(?:level|levelname|severity|lvl)"\s?:\s?"(?:info|debug|warn|warning)"'
    r"[^{}]{0,800}\}"
)
# SageMaker and subprocess quote the command, which may quote in turn: it ends before what is new.
_COMMAND = re.compile(
    r"command:? (?P<quote>['\"])"
    r"(?:(?!(?P=quote)(?:,? exit code|\s*\Z|\s*\n|\s+(?:returned|died|timed|traceback|\[))).)"
    r"{0,4000}+(?:(?P=quote)|\Z)",
    re.DOTALL,
)
_COMMAND_AS_LIST = re.compile(r"\[(?:'[^'\n]{0,300}'(?:,\s?)?){2,200}+\]?")
_USAGE = re.compile(r"usage: .{0,1000}?(?=\berror:|\Z)", re.DOTALL)
_SDK = re.compile(r"\A.{0,60}\berror for [a-z ]{1,20} job [^:\n]{1,80}:\s?failed\.\s?reason:")
_RAY_TASK = re.compile(r"raytaskerror\((\w{1,60})\)")
_REWRITES = (
    (_ANSI, ""),
    (_RAY_TASK, r"\1"),
    (_SDK, " "),
    (_LOG_AS_JSON, "\n"),
    (_COMMAND, "\n"),
    (_COMMAND_AS_LIST, " "),
    (_USAGE, "\n"),
    (_TIME, "\n"),
    (_RANK, "\n"),
    (re.compile(r"/?opt/ml/input/data[^\s'\",:]{0,200}"), " inputdata "),
    (re.compile(r"/dev/(?:shm)[^\s'\",:]{0,200}"), " devshm "),
    (re.compile(r"https?://[^\s'\"<>]{1,500}"), " url "),
    (re.compile(r"s3://[^\s'\"<>]{1,500}"), " s3url "),
    (re.compile(r"arn:aws[^\s'\"<>]{1,500}"), " "),
    # The file of a source line often names the library that speaks: it stays.
    (
        re.compile(r"/(?<![\w<\"]/)(?>[\w.+@%=~-]{1,120}(?:/[\w.+@%=~-]{1,120}){1,40}/?)(?!:\d)"),
        " ",
    ),
    (re.compile(r"\n\s*\n"), "\n"),
)


def plain_text(text: str) -> str:
    text = text.encode("ascii", "replace").decode()
    text = text.replace("\\n", "\n").replace("\r", "\n").replace('\\"', '"')
    text = _LEVEL.sub(r"\1:", text)
    text = _ERROR_LEVEL.sub("[error]", text)
    text = _GRPC_STATUS.sub(r"grpc_\1", text).lower()
    text = _GLOG.sub(lambda found: found[1] + _OF_LETTERS[found[2]], text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text
