"""The settings, read from the model that reads them.

What belongs here: from the model to Markdown. What does not: meanings; they stand in settings.py and .env.example.
"""

from __future__ import annotations

from pathlib import Path

from pydantic_core import PydanticUndefined

from crypto_assets.settings import ENV_PREFIX, Settings

_ROOT = Path(__file__).resolve().parents[2]


def render() -> str:
    """A row for each variable, then the file that explains them."""
    rows = ["| variable | what | default |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default is None or default is PydanticUndefined or default == "" else f"`{default}`"
        rows.append(f"| `{ENV_PREFIX}{name.upper()}` | {field.description or ''} | {shown} |")
    example = (_ROOT / ".env.example").read_text(encoding="utf-8")
    return "\n".join(rows) + "\n\n## .env.example\n\n```bash\n" + example.strip() + "\n```\n"
