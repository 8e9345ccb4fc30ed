"""The part of SARIF 2.1.0 that a report may use, as a JSON schema that refuses everything else.

Written from the specification's text; the numbers name its sections.  The standard's own schema allows more, and knows
properties by name that a report must never have.
"""

from __future__ import annotations

from typing import Any


def a(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def many(item: dict[str, Any], at_least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": at_least, "uniqueItems": False}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = a({"text": TEXT}, "text")  # 3.11
HELP = a({"text": TEXT, "markdown": TEXT}, "text")  # 3.12
ARTIFACT = a(
    {"uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~:/%@!$&'()*+,;=#-]+$"}, "uriBaseId": TEXT}, "uri"
)  # 3.4
REGION = a(  # 3.30
    {"startLine": COUNT, "startColumn": COUNT, "endLine": COUNT, "endColumn": COUNT},
    *("startLine", "startColumn", "endLine", "endColumn"),
)
PHYSICAL = a({"artifactLocation": ARTIFACT, "region": REGION}, "artifactLocation", "region")  # 3.29
LOGICAL = a({"fullyQualifiedName": TEXT, "kind": {"const": "function"}}, "fullyQualifiedName")  # 3.33
LOCATION = a(  # 3.28
    {
        "id": {"type": "integer", "minimum": 0},
        "physicalLocation": PHYSICAL,
        "logicalLocations": many(LOGICAL, 1),
        "message": MESSAGE,
    },
    "physicalLocation",
)
STEP = a(  # 3.38
    {
        "location": LOCATION,
        "kinds": many(TEXT, 1),
        "importance": {"enum": ["important", "essential", "unimportant"]},
    },
    "location",
)
FLOW = a({"threadFlows": many(a({"locations": many(STEP, 1)}, "locations"), 1)}, "threadFlows")  # 3.36, 3.37
REPLACEMENT = a({"deletedRegion": REGION, "insertedContent": a({"text": {"type": "string"}}, "text")}, "deletedRegion")
CHANGE = a(  # 3.56
    {"artifactLocation": ARTIFACT, "replacements": many(REPLACEMENT, 1)}, "artifactLocation", "replacements"
)
FIX = a({"description": MESSAGE, "artifactChanges": many(CHANGE, 1)}, "artifactChanges")  # 3.55
RESULT = a(  # 3.27
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {**many(LOCATION), "maxItems": 1},
        "occurrenceCount": COUNT,
        "partialFingerprints": {"type": "object", "additionalProperties": TEXT, "minProperties": 1},
        "properties": a({"certainty": TEXT, "ranks": many({"type": "integer"})}),
        "relatedLocations": many(LOCATION, 1),
        "codeFlows": many(FLOW, 1),
        "fixes": many(FIX, 1),
        "suppressions": many(a({"kind": {"enum": ["inSource", "external"]}}, "kind"), 1),
    },
    *("ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"),
)
RULE = a(  # 3.49
    {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": HELP,
        "defaultConfiguration": a({"level": LEVEL}, "level"),
    },
    "id",
)
DRIVER = a({"name": {"const": "gradsan"}, "version": TEXT, "rules": many(RULE)}, "name", "version", "rules")  # 3.19
NOTIFICATION = a({"level": LEVEL, "message": MESSAGE}, "message")  # 3.58
INVOCATION = a(  # 3.20
    {"executionSuccessful": {"type": "boolean"}, "toolExecutionNotifications": many(NOTIFICATION, 1)},
    "executionSuccessful",
)
RUN = a(  # 3.14
    {
        "tool": a({"driver": DRIVER}, "driver"),
        "invocations": many(INVOCATION, 1),
        "originalUriBaseIds": {
            "type": "object",
            "additionalProperties": a({"uri": {"pattern": "^file:///.*/$"}}, "uri"),
        },
        "columnKind": {"const": "unicodeCodePoints"},
        "results": many(RESULT),
    },
    *("tool", "columnKind", "results"),
)
LOG = a({"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": many(RUN, 1)}, "$schema", "version", "runs")  # 3.13
