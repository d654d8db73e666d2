"""Starts the server for tests, and browsers with push that leads to it.

    webpush-server dev --print selenium > push_setup.py

The package webpush-server-dev has a fixture for pytest.
"""

import json
import os
import subprocess


class Push:
    """A running server. It ends with this process."""

    def __init__(self, program=os.environ.get("WEBPUSH_DEV_BINARY", "webpush-server")):
        self.process = subprocess.Popen(
            [program, "dev", "--with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.ready = json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def chrome_options(self, options, profile):
        """Adds to selenium.webdriver.ChromeOptions; `profile` is a directory."""
        for argument in [*self.ready["chromium_args"], f"--user-data-dir={profile}"]:
            options.add_argument(argument)
        # It may turn push off.
        options.add_experimental_option("excludeSwitches", ["disable-background-networking"])
        notifications = {"profile.default_content_setting_values.notifications": 1}
        options.add_experimental_option("prefs", notifications)
        return options

    def firefox_options(self, options):
        """Adds to selenium.webdriver.FirefoxOptions."""
        for name, value in self.ready["firefox_prefs"].items():
            options.set_preference(name, value)
        return options
