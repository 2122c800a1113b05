"""Start a program that dies with the process that started it. Run as a script, so nothing of ours is imported.

    python launch.py <pid of the parent> <program> <arguments …>

The kernel sends the signal, so it also works when the parent was killed with -9. The setting outlives exec
(prctl(2), PR_SET_PDEATHSIG).
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Five times the weight of the recorder, as their units have it (CPUWeight=20). A step of nice is a quarter (sched(7)):
# 1.25 ** 7 is 4.8. With twice that, on cores with no time to spare, the recorder came seconds late to a call.
BEFORE_THE_RECORDER = -7

if __name__ == "__main__":
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask to be told
        sys.exit(1)
    with contextlib.suppress(PermissionError):  # packages start Asterisk with -p, which asks for more than this
        os.setpriority(os.PRIO_PROCESS, 0, BEFORE_THE_RECORDER)
        # A kernel that groups by session (sched(7), autogroup) weighs whole sessions: nice counts within one only.
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as group:
            group.write(str(BEFORE_THE_RECORDER))
    os.umask(0o007)  # as a unit file would say for a spool shared with the service's group
    os.execv(program[0], program)  # noqa: S606 - no shell on purpose
