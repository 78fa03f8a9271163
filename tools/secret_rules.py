"""Write `src/hallway/core/secret_rules.tsv` from the rules of gitleaks (MIT).

    python tools/secret_rules.py gitleaks.toml 8.30.1

Of its rules those are taken that tell a secret by its own form. Left out are those that go by a word beside it
(`zendesk_key = …`), by the name of a file, or by entropy alone. The rules of our own stand in `OWN` below.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src" / "hallway" / "core" / "secret_rules.tsv"
BY_CONTEXT = r"[\w.-]{0,50}?"  # begins a rule that needs the name of a service before an equals sign
END = r"""(?:[\x60'"\s;]|\\[nr]|$)"""  # how the source ends a token: in prose one ends at a comma and a bracket, too
LEFT_OUT = {
    "curl-auth-header",
    "curl-auth-user",
    "kubernetes-secret-yaml",
    "nuget-config-password",
    "private-key",
    "hashicorp-tf-password",
    "generic-api-key",
    "sourcegraph-access-token",  # any 40 hexadecimal digits: a commit's id
    "vault-service-token",  # `s.` and 24 letters: a name in a program
}
# Forms that the source lacks, or knows only in a stricter one: id, keywords, entropy, expression.
OWN = [
    ("hallway-token", "hallway_", 0, r"\bhallway_[\w-]{43}"),
    (
        "private-key",
        "private key",
        0,
        r"-----BEGIN[ A-Z0-9_-]{0,40}PRIVATE KEY(?: BLOCK)?-----(?=[\s\S]{0,200}?[A-Za-z0-9+/]{16})"
        r"[\s\S]*?(?:-----END[ A-Z0-9_-]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    ("openai-api-key", "sk-proj-,sk-svcacct-,sk-admin-", 3.3, r"\bsk-(?:proj|svcacct|admin)-[\w-]{40,200}"),
    ("anthropic-api-key", "sk-ant-", 3.3, r"\bsk-ant-[\w-]{40,200}"),
    ("google-oauth-client-secret", "gocspx-", 3, r"\bGOCSPX-[\w-]{28}(?![\w-])"),
    ("vault-token", "hvs.,hvb.", 3.3, r"\bhv[sb]\.[\w-]{24,200}"),
    ("slack-token", "xoxb-,xoxp-,xoxa-,xoxr-,xoxs-,xoxe-,xoxe.,xapp-", 3, r"\bxox[abeprs](?:\.xox[bp])?-[\w-]{20,250}"),
    (
        "gitlab-token",
        "glpat-,glrt-,gldt-,glcbt-,glptt-,glft-,glimt-,glagent-,glsoat-",
        3,
        r"\bgl(?:pat|rt|dt|cbt|ptt|ft|imt|agent|soat)-[\w.-]{20,100}",
    ),
    ("json-web-token", "ey", 3, r"\bey[A-Za-z0-9_]{15,}\.ey[\w-]{15,}\.[\w-]{10,}"),
    ("pypi-upload-token", "pypi-age", 3, r"\bpypi-AgE[\w-]{50,}"),
    ("huggingface-token", "hf_", 3, r"\bhf_[A-Za-z0-9]{34}(?![\w-])"),
]


def main() -> None:
    source, version = Path(sys.argv[1]), sys.argv[2]
    rules = [*OWN]
    own = {rule[0] for rule in OWN}
    for rule in tomllib.loads(source.read_text())["rules"]:
        expression = rule.get("regex", "")
        if not expression or BY_CONTEXT in expression or rule["id"] in LEFT_OUT | own or "path" in rule:
            continue
        rules.append((rule["id"], ",".join(rule["keywords"]), rule.get("entropy", 0), translated(expression)))
    head = (
        f"# Forms of secrets: id, words of which a text must hold one (lower case), least entropy, expression.\n"
        f"# Made by tools/secret_rules.py from gitleaks {version}, but for the first {len(OWN)}, which are our own.\n"
        "# gitleaks: Copyright (c) 2019 Zachary Rice, MIT licence; its text is in docs/decisions/0012.\n"
    )
    lines = ["\t".join(map(str, rule)) for rule in rules]
    TARGET.write_text(head + "\n".join(lines) + "\n")


def translated(expression: str) -> str:
    """An expression of Go's syntax in Python's, with a token's end where prose has one."""
    expression = expression.replace(END, r"(?![\w-])")
    expression = expression.replace("[[:alnum:]]", "[A-Za-z0-9]").replace(r"\z", r"\Z")
    while (at := expression.find("(?i)", 1)) > 0:  # a flag in the middle holds to the end of its group
        end = _end_of_group(expression, at + len("(?i)"))
        expression = f"{expression[:at]}(?i:{expression[at + len('(?i)') : end]}){expression[end:]}"
    re.compile(expression)
    return expression


def _end_of_group(expression: str, at: int) -> int:
    """Where the group ends that is open at a place: at its closing bracket, or at the end."""
    depth, is_in_set = 0, False
    while at < len(expression):
        sign = expression[at]
        if sign == "\\":
            at += 1
        elif is_in_set:
            is_in_set = sign != "]"
        elif sign == "[":
            is_in_set = True
        elif sign == "(":
            depth += 1
        elif sign == ")":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return at


if __name__ == "__main__":
    main()
