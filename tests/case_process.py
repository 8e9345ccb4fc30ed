"""A process that has the framework loaded and runs each case in a fork of itself.

Importing a framework takes a second; a fork takes milliseconds.  Reads one request a line from standard input, JSON
``{"judge": "framework" | "run" | "audit" | "check" | "fix", "case": PATH, "files": [PATH, ...]}``, and answers each with a line.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

SECONDS_A_CASE = 60


def main() -> None:
    """Answer every request.

    Effect: forks; writes to standard output.
    """
    import torch

    _load_all()
    torch.set_num_threads(1)
    torch.manual_seed(0)  # else the numbers of a case hang on the process, and so does what differences can show
    gc.freeze()  # what is collected in a fork would be copied into it first
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_in_a_fork(json.loads(line))) + "\n")
        sys.stdout.flush()


def _load_all() -> None:
    """Load and look up once what each fork would load and look up for itself.

    Effect: imports all of gradsan, and fills caches of facts.
    """
    import gradsan
    from gradsan import knowledge

    of_gradsan = (module.name for module in pkgutil.walk_packages(gradsan.__path__, "gradsan."))
    # The first optimizer and the first checkpoint import two modules of the framework.
    for name in ("torch._dynamo", "torch.utils.checkpoint", *of_gradsan):
        if not name.endswith("__main__"):
            importlib.import_module(name)
    knowledge.load().operations()
    knowledge.error_texts.recognise("")
    gradsan.surfaces.cli.build_parser()
    gradsan.frameworks.torch.doors.writing_operations()


def _in_a_fork(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        answer_file = Path(folder) / "answer.json"
        child = os.fork()
        if child == 0:
            _answer(request, answer_file, Path(folder))
        os.waitpid(child, 0)
        if not answer_file.exists():
            return {"problem": "the case ended its process"}
        return json.loads(answer_file.read_text(encoding="utf-8"))


def _answer(request: dict[str, Any], answer_file: Path, folder: Path) -> None:
    """Run the request and end the process.

    Effect: leaves by `os._exit`, so that nothing of the parent's state is torn down here.
    """
    import signal

    signal.alarm(SECONDS_A_CASE * (4 if request["judge"] == "fix" else 1))
    case = Path(request["case"])
    os.chdir(case.parent)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    try:
        if request["judge"] == "framework":
            answer = _run_bare(case)
        elif request["judge"] == "fix":
            answer = _fix(request, folder)
        else:
            answer = _ask_gradsan(request, folder / "report.json")
    except BaseException:
        answer = {"problem": traceback.format_exc()}
    answer_file.write_text(json.dumps(answer), encoding="utf-8")
    os._exit(0)


def _run_bare(case: Path) -> dict[str, Any]:
    import torch

    from gradsan.knowledge.error_texts import recognise

    warnings.simplefilter("ignore")
    sys.path.insert(0, str(case.parent))
    sys.argv = [case.name]
    try:
        variables = runpy.run_path(case.name, run_name="__main__")
    except RuntimeError as error:
        said = recognise(str(error))
        return {"outcome": "raises" if said is not None else "raises another error", "text": str(error)}
    if "CHECKED" not in variables:
        return {"outcome": "unchecked"}
    function, inputs = variables["CHECKED"]
    agrees = torch.autograd.gradcheck(function, inputs, raise_exception=False, check_undefined_grad=False)
    return {"outcome": "correct" if agrees else "wrong-gradient"}


def _fix(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Repair a copy of the case twice; the answer tells both reports and each file's text after the first repair."""
    from gradsan.surfaces.cli import main as gradsan

    place = folder / "fix"
    place.mkdir()
    copies = [Path(shutil.copy(file, place)) for file in request["files"]]
    os.chdir(place)
    reports: list[dict[str, Any]] = []
    texts: list[dict[str, str]] = []
    for number in range(2):
        report = folder / f"fix{number}.json"
        status = gradsan(["fix", "--write", "--output-format", "json", "--output", str(report), copies[0].name])
        reports.append({**json.loads(report.read_text(encoding="utf-8"))["repair"], "status": status})
        texts.append({copy.name: copy.read_text(encoding="utf-8") for copy in copies})
        if not reports[-1]["written"]:
            break
    return {"reports": reports, "texts": texts}


def _ask_gradsan(request: dict[str, Any], report: Path) -> dict[str, Any]:
    from gradsan.surfaces.cli import main as gradsan

    case = Path(request["case"])
    options = ["--output-format", "json", "--output", str(report)]
    if request["judge"] == "check":
        command = ["check", *options, *(Path(file).name for file in request["files"])]
    else:
        command = ["run", *(["--audit"] if request["judge"] == "audit" else []), *options, case.name]
    try:
        gradsan(command)
    except SystemExit:
        pass
    except BaseException:
        # `run` lets the program's own error through; the report is written before.
        if not report.exists():
            raise
    return {"report": json.loads(report.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    main()
