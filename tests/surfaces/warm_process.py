"""A process that has torch loaded and runs each command of gradsan in a fork of itself.

Reads one request a line from standard input, JSON {"arguments": [...], "folder": PATH, "streams": PATH,
"environment": {...}}, and answers each with the exit status.  The child's streams are the files ``stdin``, ``stdout``
and ``stderr`` of a folder.  The child ends as any interpreter does: nothing of that is cut short here.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any

SECONDS_A_COMMAND = 300


def main() -> None:
    """Answer every request; in a child, return gradsan's exit status by `SystemExit`.

    Effect: forks; writes to standard output.
    """
    import torch

    import gradsan.report.text
    import gradsan.surfaces.cli
    import gradsan.tasks.run
    from gradsan import knowledge

    knowledge.load().operations()
    gradsan.surfaces.cli.build_parser()
    watch = gradsan.tasks.run.Watch(command="run")
    watch.start()
    watch.stop()
    torch.set_num_threads(1)
    gc.freeze()  # what is collected in a fork would be copied into it first
    while request := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            break
        status = os.waitpid(child, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    else:
        return
    _become(json.loads(request))
    raise SystemExit(gradsan.surfaces.cli.main(sys.argv[1:]))


def _become(request: dict[str, Any]) -> None:
    import signal

    signal.alarm(SECONDS_A_COMMAND)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    for stream, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))):
        opened = os.open(os.path.join(request["streams"], name), flags)
        os.dup2(opened, stream)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv[:] = ["gradsan", *request["arguments"]]


if __name__ == "__main__":
    main()
