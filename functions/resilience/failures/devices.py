"""Published codes of devices: NVIDIA's Xid catalogue and the status of the Neuron runtime."""

import re

from resilience.failures import rules
from resilience.failures.rules import Rule

# NVIDIA's catalogue asks first to check the program after these, and for a reset, a restart of the
# machine or its support after the others. Xid 45 only reports that the driver cleans up.
_XID_OF_PROGRAMS = frozenset({11, 13, 31, 43, 68, 69})
_XID_OF_CLEANING_UP = 45
_XID = re.compile(r"\bxid\W{0,3}(?:\(pci:[^)]{1,40}\))?[^\w\n]{0,3}(\d{1,3})\b")


def xid_rule(text: str) -> Rule | None:
    for found in _XID.finditer(text):
        number = int(found[1])
        if number != _XID_OF_CLEANING_UP:
            return rules.GPU_PROGRAM_FAULT if number in _XID_OF_PROGRAMS else rules.GPU_XID
    return None


_NEURON: dict[str, Rule] = {
    "RESOURCE": rules.GPU_OUT_OF_MEMORY,
    "FAIL_HOST_MEM_ALLOC": rules.OUT_OF_MEMORY,
    "TIMEOUT": rules.NEURON_DEVICE,
    "UNINITIALIZED": rules.GPU_DOES_NOT_START,
    "CLOSED": rules.GPU_DOES_NOT_START,
    "LOAD_NOT_ENOUGH_NC": rules.GPU_SETUP,
    "UNSUPPORTED_NEFF_VERSION": rules.GPU_SETUP,
    "INVALID": rules.GPU_PROGRAM_FAULT,
    "INVALID_HANDLE": rules.GPU_PROGRAM_FAULT,
    "EXEC_BAD_INPUT": rules.GPU_PROGRAM_FAULT,
    "EXEC_OOB": rules.GPU_PROGRAM_FAULT,
    "EXEC_COMPLETED_WITH_NUM_ERR": rules.DIVERGED,
    "COLL_PENDING": rules.COLLECTIVE,
    "NETWORK_PROXY_FAILURE": rules.COLLECTIVE,
    "FAILURE": rules.UNEXPLAINED,
}
_NRT = re.compile(r"\bnrt_(?!success|info|warn|error)([a-z_]{4,40})\b")


def neuron_rule(text: str) -> Rule | None:
    """The hardware errors, and what the runtime may add to them, are the device's fault."""
    found = _NRT.search(text)
    if found is None:
        return None
    status = found[1].upper()
    if status in _NEURON:
        return _NEURON[status]
    return rules.NEURON_DEVICE if status.startswith(("HW_", "EXEC_")) else None
