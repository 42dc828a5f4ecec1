"""What begins a statement in a plain failure text, and what is no statement at all."""

import re

# An exception's name before its message. Names that do not end as such are few.
_NAME = (
    r"(?!dlerror)(?:(?:(?:\w{1,60}+\.){1,8}\w{0,60}|\w{2,60})(?:error|exception)"
    r"|(?:\w{1,60}+\.){1,8}\w{0,60}(?:interrupt|expired|timeout)|(?<!following )exception(?=:)"
    r"|(?:\w{1,60}+\.){0,8}(?:keyboardinterrupt|nosuchkey|nosuchbucket|badzipfile|badgzipfile"
    r"|readtimeout|connecttimeout|incompleteread|remotedisconnected|timeoutexpired"
    r"|brokenprocesspool|arrowinvalid|lossdiverged|stoppedbyuser))"
)
# Printed at every end, whatever its cause; and advice.
_FAREWELLS = (
    r"(?<!\S)\S{1,80}:\d{1,6}:\d{1,8} \[\d{1,3}\] nccl info",
    "nccl info",
    r"(?:info|debug|notice):",
    r"\[(?:info|debug)\b",
    r"(?:warning:[\d :.]{0,30}[\w.:/]{0,60}\]?\s?)?(?:warning: ){0,2}process group has not been",
    r"sending process \d+ closing signal",
    r"primary job\s+terminated normally",
    "per user-direction",
    "your mpi job is now",
    "bash: (?:cannot set terminal|no job control)",
    "(?:huggingface/)?tokenizers: the current process just got forked",
    "resource_tracker: ",
    r"there appear to be \d+ leaked",
    r"unable to register cu\w+ factory",
    "computation placer already registered",
    "to enable traceback see",
    "cuda kernel errors might be",
    "for debugging consider",
    "compile with .?torch_use_cuda_dsa",
    "setting omp_num_threads",
    "permanently added",
    "assertionerror: can only test a child process",
    r"nccl version [\d.]{1,20}\+cuda",
    "omp: info",
    "if reserved memory is",
    r"\d{1,3}%\s?\|",
)
# Whoever guesses does not know.
_GUESSES = (
    "there are some potential root causes",
    "(?:some )?(?:possible|potential|common) (?:root )?(?:causes|reasons)",
    "it is possible that",
    "this (?:most likely )?indicates that",
    "this (?:error )?(?:is|can|might|may|could) (?:be|usually|sometimes|often)",
    "(?:might|may|could) (?:be|have been) (?:caused|due)",
    "if (?:the|this) (?:error|issue|problem) persists",
)
_NOTICES = (
    r"(?<!\S)\S{1,200}:\d{1,6}: \w{0,40}warning:",
    r"\w{0,40}warning:",
    r"\[warn(?:ing)?\b",
    r"wandb: (?!\[?error)",
)
# Whatever the level that the launcher gives to it: somebody asked the whole job to end.
_ASKED = r"received \d{1,2} death signal|received (?:a )?sigterm|got signal: \d"

MARK = re.compile(
    r"(?<!\w)(?:"
    + "|".join(
        (
            r'(?P<frame>file "[^"\n]{1,300}", line \d+|frame #\d+:)',
            r"(?P<traceback>(?:original )?traceback \(most recent call last\):?)",
            "(?P<handled>during handling of the above exception)",
            "(?P<cause>the above exception was the direct)",
            r"(?P<ignored>exception ignored in|error in (?:atexit|sys\.excepthook))",
            "(?P<thread>exception in thread)",
            f"(?P<farewell>{'|'.join(_FAREWELLS)})",
            f"(?P<guess>{'|'.join(_GUESSES)})",
            f"(?P<asked>{_ASKED})",
            f"(?P<notice>{'|'.join(_NOTICES)})",
            rf"(?P<exception>(?<![.(:]){_NAME}(?=:|\s*$))",
            r"(?P<plain>terminate called|errormessage \"|exitcode -?\d|\[error\])",
        )
    )
    + ")|(?P<end>, exit code:)",
    re.MULTILINE,
)
# Python shows the line that warned, below its warning.
END_OF_NOTICE = re.compile(r"\n(?![ \t]{2,}[\w.]{1,80}(?:\(| = ))|\(function operator\(\)\)")
