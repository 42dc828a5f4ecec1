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
    "resource": rules.GPU_OUT_OF_MEMORY,
    "fail_host_mem_alloc": rules.OUT_OF_MEMORY,
    "timeout": rules.NEURON_DEVICE,
    "uninitialized": rules.GPU_DOES_NOT_START,
    "closed": rules.GPU_DOES_NOT_START,
    "load_not_enough_nc": rules.GPU_SETUP,
    "unsupported_neff_version": rules.GPU_SETUP,
    "invalid": rules.GPU_PROGRAM_FAULT,
    "invalid_handle": rules.GPU_PROGRAM_FAULT,
    "exec_bad_input": rules.GPU_PROGRAM_FAULT,
    "exec_oob": rules.GPU_PROGRAM_FAULT,
    "exec_completed_with_num_err": rules.DIVERGED,
    "coll_pending": rules.COLLECTIVE,
    "network_proxy_failure": rules.COLLECTIVE,
    "failure": rules.UNEXPLAINED,
}
_NRT = re.compile(r"\bnrt_(?!success|info|warn|error)([a-z_]{4,40})\b")


def neuron_rule(text: str) -> Rule | None:
    """The hardware errors, and what the runtime may add to them, are the device's fault."""
    statuses = [found[1] for found in _NRT.finditer(text)]
    known = next((_NEURON[status] for status in statuses if status in _NEURON), None)
    if known is None and any(status.startswith(("hw_", "exec_")) for status in statuses):
        return rules.NEURON_DEVICE
    return known
