"""What keeps runs apart, from the host and from each other, as far as it is the Engine's to give."""

from runsd.doctor.engine import DAEMON_JSON, Answers
from runsd.doctor.finding import Finding, Subject, failure, ok, warning


def isolation(subject: Subject, said: Answers) -> Finding:
    """Say whether the Engine can make containers as confined as runsd asks for."""
    runtime = subject.settings.containers.runtime
    if runtime is not None and runtime not in said.runtimes:
        known = ", ".join(sorted(said.runtimes))
        return failure(
            "isolation",
            f"the Engine has no runtime {runtime} (it has {known}): every run fails at its start",
            f"install it and name it among the runtimes in {DAEMON_JSON}, or remove containers.runtime",
        )
    absent = [name for name in subject.settings.containers.runtimes if name not in said.runtimes]
    if absent:
        return warning(
            "isolation",
            f"runs may name the runtime {', '.join(absent)}, which the Engine does not have: they fail",
            f"install it and name it among the runtimes in {DAEMON_JSON}, or in containers.runtimes no more",
        )
    if not said.seccomp:
        return warning(
            "isolation",
            "the Engine filters no system calls: a run reaches more of the host's kernel than it needs",
            f'remove "seccomp-profile": "unconfined" from {DAEMON_JSON}, or use a kernel with seccomp',
        )
    users = " and their root is nobody on the host," if said.remapped else ""
    by = runtime or "the default runtime"
    return ok("isolation", f"system calls of runs are filtered,{users} and they are started by {by}")


def neighbours(subject: Subject, said: Answers) -> Finding:
    """Say whether runs of the default network can reach each other."""
    if subject.settings.network.isolate:
        return ok(
            "neighbours", "runs of the network bridge get one of runsd's own, and cannot reach each other"
        )
    if not said.icc:
        return ok("neighbours", "runs of the network bridge cannot reach each other")
    return warning(
        "neighbours",
        "runs of the network bridge can reach each other, whosever they are",
        f'set network.isolate = true, or "icc": false in {DAEMON_JSON} and restart the Engine',
    )
