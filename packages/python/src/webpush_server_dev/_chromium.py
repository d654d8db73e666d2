"""A profile of Chromium that may show notifications, so that nobody has to click "Allow"."""

from __future__ import annotations

import json
import os
from pathlib import Path

# CONTENT_SETTING_ALLOW of Chromium.
_ALLOW = 1


def prepare_chromium_profile(directory: str | os.PathLike[str]) -> None:
    """Writes the preferences of a new profile; leaves an existing one alone.

    A permission that is granted by the DevTools protocol is gone at the next start, when stored messages arrive before
    anything could grant it again.
    """
    preferences = Path(directory, "Default", "Preferences")
    if preferences.exists():
        return
    preferences.parent.mkdir(parents=True, exist_ok=True)
    defaults = {"profile": {"default_content_setting_values": {"notifications": _ALLOW}}}
    preferences.write_text(json.dumps(defaults))
