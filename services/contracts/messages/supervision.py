"""What the gateway's supervisor says, on the status stream: about once a second, while Redis is there."""

from services.contracts.envelope import Message


class SupervisorStatus(Message):
    """How the gateway's process is, seen from outside.

    `phase` is resting, waiting (for its next start), running, stopping, gave_up or done. `halt` is who laid
    the HALT file: nobody, supervisor or person. `pulse_age_ms` is -1 while no process runs, `ends` the
    unplanned ends within the window after which it is given up, `windows` the titles of those that wait
    for a person, `halt_file` what a person laid.
    """

    name: str
    phase: str
    pid: int
    starts: int
    ends: int
    pulse_age_ms: int
    memory_mb: int
    halt: str
    last_end: str
    windows: tuple[str, ...] = ()
    build_id: str = ""
    halt_file: str = ""
