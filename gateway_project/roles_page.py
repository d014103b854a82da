"""Generates docs/roles.md from `permissions.py`: `python -m gateway_project.roles_page`; `--check` only compares."""

import sys

from apps.accounts import permissions
from apps.accounts.permissions import EVERYTHING, Position, Rights, Verb
from gateway_project.env import BASE_DIR

PAGE = BASE_DIR / "docs" / "roles.md"
WORDS: dict[Verb, str] = {
    Verb.SEE: "see",
    Verb.ADD: "add",
    Verb.CHANGE: "change",
    Verb.DELETE: "delete",
    Verb.ACT: "act",
}
INTRODUCTION = """# Roles, keys and scopes

The tables on this page are made from `apps/accounts/permissions.py` by `make docs`. The admin, both APIs, jobs and
commands ask that module, and `tests/permissions` tries every role on every page and resource.

## Roles

| Role | Who | Where |
|---|---|---|
| operator | a user with staff and superuser status | everywhere |
| department admin | a member of staff, named on the page of a department | its courses; may add courses to it |
| instructor | a member of a course with this role, and staff status | the course |
| assistant | the same, with this role | the course, to read |
| student | a member of a course | the student API, for what is their own |
| service account | a member that is a program, with the role `service` | the student API, for what is its own |

Staff status lets a person sign in to the admin; what they find there depends on their courses. A row of another course
is answered like one that does not exist: 404, in the admin as in the APIs. What a role loses is refused from the next
request on in the admin and the staff API, and within two seconds under `/v1`.

## Who may do what

*Act* means what buttons and actions do: decide a request, end a boost, revoke a key, cancel a job. Department admins,
instructors and assistants have these rights on the rows of their courses, students and service accounts on their own.
Members of every role may use the student API as students do.

"""
OWN_NOTES = """
- `StaffKey`: members of staff have these rights on their own keys; operators see and revoke everybody's.
- `Job`: everybody in the admin may also see and cancel what they started themselves.

"""
REST = """## Service accounts

Add a member with the role *Service*, without an e-mail address, and issue it a key: it begins with `stoa_svc_`. Its
allowance is that of students, unless *Allowances of roles* has a row for the role `service` or the account has an
override. It files no requests for more and no appeals. A person cannot become a service account, nor the other way
round.

## Keys and scopes

| Prefix | Holder | Opens |
|---|---|---|
| `stoa_sk_` | a member of a course | the student API |
| `stoa_svc_` | a service account | the student API |
| `stoa_stf_` | a member of staff | the staff API, with what the holder may see at the time of each request |

A key of staff only reads, unless it was issued for more. Everybody in the admin issues and revokes their own on *Your
keys*. Any other kind of key, like any wrong one, gets the same 401.

API keys can be narrowed, when they are issued or later. A refusal is a 403 with a code of its own; a model or a service
outside of the scopes is a 404, like one that does not exist.

| Scope | Meaning | Refusal |
|---|---|---|
| models | the only models that the key sees and asks | `model_not_found` |
| surfaces | `chat`, `usage` or `svc`; `/v1/models` is open to the first two | `outside_surfaces` |
| services | the only services that the key may call | `unknown_service` |
| assignment | every call carries this tag; another `X-Assignment` is refused | `outside_assignment` |
| read only | usage and models, but no calls, requests or appeals; services by GET, HEAD, OPTIONS | `key_reads_only` |
| expiry | an instant from which on the key is refused | `invalid_api_key` |

On the command line:

```
manage.py issue_key --course cs101 --member grader --models small --surfaces chat --expires 2026-12-31
manage.py issue_key --staff tess --name "weekly report"
```

## Departments in files

`manage.py apply` reads departments, and the department of a course:

```yaml
departments:
  - {slug: physics, title: Physics}
courses:
  - {slug: optics, title: Optics, department: physics}
```
"""


def page() -> str:
    rows = "".join(_row(thing, rights) for thing, rights in permissions.TABLE.items())
    return INTRODUCTION + _line(("", *permissions.columns())) + _line(["---"] * 7) + rows + OWN_NOTES + REST


def _row(thing: str, rights: Rights) -> str:
    return _line((f"`{thing}`", *(_words(rights.of(position)) for position in Position)))


def _line(cells: "tuple[str, ...] | list[str]") -> str:
    return f"| {' | '.join(cells)} |\n"


def _words(verbs: Verb) -> str:
    if verbs == EVERYTHING:
        return "everything"
    return ", ".join(word for verb, word in WORDS.items() if verb & verbs) or "–"


def main() -> None:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        sys.exit("docs/roles.md does not tell what permissions.py says. Run: make docs")


if __name__ == "__main__":
    main()
