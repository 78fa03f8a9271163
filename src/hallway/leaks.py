"""Secrets in what sessions write: keys and tokens that are told by their form, found before anybody else can read them.

Only forms that their issuers made to be recognised, so that what is flagged is one: no guessing by entropy. Why a list
of our own and not a library: docs/decisions/0012. It refuses to say what it found, only of which kind and where.
"""

from __future__ import annotations

from hallway.errors import SecretFound

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

# How a secret begins, how many signs of a token follow at least, and whose it is.
FORMS = (
    ("hallway_", 43, "a hallway token"),
    ("ghp_", 36, "a GitHub token"),
    ("gho_", 36, "a GitHub token"),
    ("ghu_", 36, "a GitHub token"),
    ("ghs_", 36, "a GitHub token"),
    ("ghr_", 36, "a GitHub token"),
    ("github_pat_", 50, "a GitHub token"),
    ("glpat-", 20, "a GitLab token"),
    ("sk-ant-", 40, "an Anthropic key"),
    ("sk-proj-", 40, "an OpenAI key"),
    ("AIza", 35, "a Google key"),
    ("AKIA", 16, "an AWS key"),
    ("ASIA", 16, "an AWS key"),
    ("xoxb-", 20, "a Slack token"),
    ("xoxp-", 20, "a Slack token"),
    ("xapp-", 20, "a Slack token"),
    ("sk_live_", 20, "a Stripe key"),
    ("rk_live_", 20, "a Stripe key"),
    ("npm_", 36, "an npm token"),
    ("pypi-AgE", 50, "a PyPI token"),
    ("hf_", 34, "a Hugging Face token"),
    ("dop_v1_", 64, "a DigitalOcean token"),
)
KEY_BEGINS, KEY_ENDS = "-----BEGIN ", "PRIVATE KEY-----"


def refuse_secret(what: str, *texts: str) -> None:
    """Raise SecretFound where one of the texts holds a secret; `what` they are parts of."""
    for text in texts:
        kind = find_secret(text)
        if kind:
            raise SecretFound(f"{what} holds what looks like {kind}; whoever reads the bus could use it")


def find_secret(text: str) -> str | None:
    """What kind of secret a text holds; None where it holds none that is told by its form."""
    for prefix, least, kind in FORMS:
        if prefix in text and _follows(text, prefix, least):
            return kind
    at = text.find(KEY_BEGINS)
    return "a private key" if at >= 0 and KEY_ENDS in text[at : at + 80] else None


def _follows(text: str, prefix: str, least: int) -> bool:
    """Whether enough signs of a token follow one of the places where a prefix begins a word."""
    at = text.find(prefix)
    while at >= 0:
        end = at + len(prefix)
        is_word = at == 0 or text[at - 1] not in LETTERS
        if is_word and len(text) - end >= least and LETTERS.issuperset(text[end : end + least]):
            return True
        at = text.find(prefix, end)
    return False
