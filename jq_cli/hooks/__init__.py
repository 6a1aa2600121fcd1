"""Hooks: what happens to jobs, told to others. `event` says what happened, `observed` notices it, `emitter` hands it to a process
of its own (`courier`), and that process delivers it, each hook in a `lane` of its own. No hook can slow or fail the queue."""
