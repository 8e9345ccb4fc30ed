"""Where a gradient is likely to flow at all, when only a function's parameters could bring it.

A write that breaks the gradient of a parameter is an error where people differentiate, and noise where they don't:
boxes in non-maximum suppression, targets of a loss, images in a data loader.  Only conventions tell the two apart.
What is wrong whatever the caller does (a network's own weights are part of the graph) is not asked here.
"""

from __future__ import annotations

import re
from functools import cache

from gradsan.source.flow.graph import Place

_DATA = re.compile(
    r"(?:^|_)(?:targets?|labels?|gts?|truths?|masks?|ids?|idx|idxs|ind|inds|indices|index|lengths?|lens?|sizes?|shapes?"
    r"|flags|params|kernel_size|stride|padding|dilation|groups|dims?|axis|axes|num|n|k|eps|scale_factor|batch_idx|epoch|step|steps|timesteps?|tokens?|codes?|classes|paths?|args|kwargs|opts?|opt|config|cfg|conf|options|settings|batch|data|item|sample|meta|metadata|self|cls|rng|seed|device|dtype)$"
)
"""Names of parameters that carry data, by convention."""

_FUNCTIONS = re.compile(
    r"(?:^|_)(?:nms|suppression|postprocess|post|preprocess|evaluate|eval|evaluation|inference|infer|predict|plot|draw"
    r"|show|visuali[sz]e|accuracy|generate|augment|export|convert|load|save|test|validate|validation|metrics?|init"
    r"|initiali[sz]e|reset|sampler?|encode_targets|assign|assigner|match|matcher|sampling|nn_search|log|tta)(?:_|\d|$)",
    re.IGNORECASE,
)
"""Words in the names of functions that run without gradients, by convention."""

_FOLDERS = re.compile(
    r"(?:^|/)(?:tests?|testing|transforms?|datasets?|data|metrics?|evaluation|augmentations?|preprocessing"
    r"|postprocess\w*|scripts|tools|export\w*|conversion|convert\w*|pipelines?|schedulers?|benchmarks?|visuali[sz]ation)/"
    r"|(?:^|/)(?:test_\w+|conftest|convert_\w+|image_processing_\w+|processing_\w+|\w*metrics?)\.py$"
)


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def _is_data(name: str) -> bool:
    return _DATA.search(name.lower()) is not None


@cache
def _runs_without(function: str, path: str) -> bool:
    parts = _CAMEL.sub("_", function).split(".")
    return any(_FUNCTIONS.search(part) for part in parts if part != "<locals>") or _FOLDERS.search(path) is not None


def gradient_may_flow(roots: frozenset[str], place: Place) -> bool:
    """Return whether people differentiate this function with respect to these parameters."""
    if not any(not _is_data(root) for root in roots):
        return False
    return not runs_without(place) and not _is_internal(place)


def runs_without(place: Place) -> bool:
    """Return whether a place stands in code that runs without gradients, by convention."""
    path = place.module.path
    try:
        shown = path.relative_to(place.module.root).as_posix()
    except ValueError:
        shown = path.name
    return _runs_without(place.function, shown)


def _is_internal(place: Place) -> bool:
    """Return whether a function is private and its own module calls it: it is judged where it is called."""
    for name in place.function.split("."):
        if name.startswith("_") and not name.startswith("__"):
            calls = f"{name}("
            if sum(line.count(calls) for line in place.module.lines if calls in line) > 1:
                return True
    return False
