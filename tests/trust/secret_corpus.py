"""A corpus of texts with secrets and of texts that only look like it.

The secrets are made here, of random signs in their issuers' forms, so that none stands in this file.
"""

from __future__ import annotations

import random
import string

_random = random.Random(20261128)
LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + "234567"


def signs(count: int, alphabet: str = LETTERS) -> str:
    return "".join(_random.choice(alphabet) for _ in range(count))


def _private_key(kind: str, line_end: str) -> str:
    lines = [
        f"-----BEGIN {kind}PRIVATE" + " KEY-----",
        *(signs(64) for _ in range(5)),
        f"-----END {kind}PRIVATE KEY-----",
    ]
    return line_end.join(lines)


SECRETS = {
    "hallway token": "hallway_" + signs(43),
    "GitHub personal": "ghp_" + signs(36),
    "GitHub OAuth": "gho_" + signs(36),
    "GitHub app user": "ghu_" + signs(36),
    "GitHub app server": "ghs_" + signs(36),
    "GitHub refresh": "ghr_" + signs(36),
    "GitHub fine-grained": "github_pat_" + signs(22) + "_" + signs(59),
    "GitLab personal": "glpat-" + signs(20),
    "GitLab runner": "glrt-" + signs(20),
    "GitLab deploy": "gldt-" + signs(20),
    "Anthropic": "sk-ant-api03-" + signs(93) + "AA",
    "OpenAI project": "sk-proj-" + signs(48),
    "OpenAI service account": "sk-svcacct-" + signs(60),
    "OpenAI admin": "sk-admin-" + signs(60),
    "Google key": "AIza" + signs(35),
    "Google OAuth secret": "GOCSPX-" + signs(28),
    "AWS key": "AKIA" + signs(16, UPPER),
    "AWS temporary key": "ASIA" + signs(16, UPPER),
    "Slack bot": "xoxb-" + signs(12, string.digits) + "-" + signs(12, string.digits) + "-" + signs(24),
    "Slack user": "xoxp-" + "-".join(signs(12, string.digits) for _ in range(3)) + "-" + signs(32),
    "Slack refresh": "xoxe-1-" + signs(146, string.ascii_uppercase + string.digits),
    "Slack app": "xapp-1-A0" + signs(9, UPPER) + "-" + signs(13, string.digits) + "-" + signs(64, HEX),
    "Slack webhook": "https://hooks.slack.com/services/T" + signs(8, UPPER) + "/B" + signs(10, UPPER) + "/" + signs(24),
    "Stripe live": "sk_live_" + signs(24),
    "Stripe restricted": "rk_live_" + signs(24),
    "npm": "npm_" + signs(36, string.ascii_lowercase + string.digits),
    "PyPI": "pypi-AgEIcHlwaS5vcmc" + signs(70),
    "Hugging Face": "hf_" + signs(34),
    "DigitalOcean": "dop_v1_" + signs(64, HEX),
    "SendGrid": "SG." + signs(22) + "." + signs(43),
    "Vault service": "hvs." + signs(95),
    "Databricks": "dapi" + signs(32, HEX),
    "Linear": "lin_api_" + signs(40),
    "Grafana": "glsa_" + signs(32) + "_" + signs(8, HEX),
    "Shopify": "shpat_" + signs(32, HEX),
    "age key": "AGE-SECRET-KEY-1" + signs(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "JSON web token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + signs(43),
    "private key": _private_key("OPENSSH ", "\n"),
    "RSA private key": _private_key("RSA ", "\r\n"),
    "private key in JSON": _private_key("", "\\n"),
    "private key in JSON in JSON": _private_key("EC ", "\\\\n"),
    "private key without its end": "-----BEGIN PRIVATE" + " KEY-----\n" + signs(64) + "\n" + signs(64),
}

HARMLESS = [
    "",
    "ghp_",
    "the prefix is ghp_ and more",
    "hf_model",
    "task_" + "a" * 60,
    "e5d0c1f2" * 8,
    "xoxb-short",
    "AKIA is",
    "git commit 87fbc9f4e5d0c1f287fbc9f4e5d0c1f287fbc9f4",
    "-----BEGIN CERTIFICATE-----\n" + "MIIB" * 20,
    "ASIAPACIFICREGIONSALES2024",
    "AKIA" + "X" * 16,
    "hf_hub_download_with_retries_and_progress_bars",
    "hf_hub_download_with_resume_and_token_from_the_environment",
    "export GITHUB_TOKEN=ghp_" + "x" * 36,
    "the token begins with glpat- and then come 20 signs",
    "sk-proj-" + "x" * 48,
    "sk-ant-api03-...",
    "a PEM file begins with -----BEGIN PRIVATE KEY----- and is read by the server",
    "see sg.example.com",
    "npm_config_registry=https://registry.example.com",
    "npm_lifecycle_event",
    "018f3c2a-7e1b-7c3d-9a4e-2f1d5b6c7a8e",
    "sha256:" + "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "eyes.eyelid.eyebrow",
    "import { sk_live_mode_is_on } from './flags'",
    "sk_test_ keys are for tests",
    "hvs.read() of the class",
    "AIzaawa",
    "see src/api/auth_token_refresh_handler_with_retry.py:120",
    "xapp-indicator",
    "shpat_*",
    "dapi_client",
    "class SGDOptimizerWithMomentumAndWeightDecayAndNesterov",
    "SG.md and SG.txt",
    "lin_api_client_for_the_tracker",
    "資料庫遷移は明日実行する",
    "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ" * 3,
    "https://example.com/path?page=2&sort=desc#top",
    "EAAAAAAA",
    "pul-request",
    "tk-us-east",
    "v1.0-beta",
]
