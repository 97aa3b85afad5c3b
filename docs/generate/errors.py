"""Generate docs/errors.md from the error classes."""

from __future__ import annotations

from http import HTTPStatus

from models.error_members import MEMBERS, REFUSED, meaning
from service.http.errors import STATUS
from service.openapi.problem_schema import error_codes

_HEAD = """# Error codes

Every refusal is `application/problem+json` (RFC 9457): `type` (`urn:darkroom:error:<code>`),
`title`, `status`, `detail`, `code`, in this order, then what the table lists. The
meaning of a code never changes. A failed task carries the same `code`, `detail` and members in its
`error`.

| code | status | title | when | members it may have |
|---|---|---|---|---|"""

_MEMBERS = """
A request with an `Expect` other than `100-continue` is a `bad_request` with status 417.

| member | meaning |
|---|---|"""

_ORIGIN = (
    "<sub>Written by `python -m docs` from `models/errors.py` and `models/error_members.py`.</sub>"
)


def page() -> str:
    """Return the page, codes sorted by status."""
    lines = []
    for each in error_codes():
        members = ", ".join(f"`{name}`" for name in each.members) or "none"
        status = STATUS[each]
        cells = f"`{each.code}`", str(status), HTTPStatus(status).phrase, meaning(each), members
        lines.append(f"| {' | '.join(cells)} |")
    member_rows = [f"| `{name}` | {each.meaning} |" for name, each in MEMBERS.items()]
    member_rows.append(f"| `refused` | {REFUSED.meaning} |")
    return "\n".join([_HEAD, *lines, _MEMBERS, *member_rows, "", _ORIGIN, ""])
