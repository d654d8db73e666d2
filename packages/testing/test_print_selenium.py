"""The set-up code that `webpush-server dev --print selenium` prints: packages/test writes it beside this file."""

import json
import sys
import threading
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver

sys.path.insert(0, str(Path(__file__).parent))

from conftest import Application, Sender, Site  # noqa: E402
from push_setup import Push  # noqa: E402

SUBSCRIBE = """
const [applicationServerKey, done] = arguments;
navigator.serviceWorker.register('/worker.js')
    .then(() => navigator.serviceWorker.ready)
    .then(({ pushManager }) => pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }))
    .then((subscription) => done(subscription.toJSON()), (error) => done(String(error)));
"""


def test_the_code_for_selenium(tmp_path):
    push = Push()
    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    application = Application(f"http://localhost:{site.server_port}/", Sender(push.ready["env"]))
    options = push.chrome_options(webdriver.ChromeOptions(), tmp_path)
    for argument in ["--headless=new", "--no-sandbox"]:
        options.add_argument(argument)
    try:
        with webdriver.Chrome(options=options) as driver:
            driver.get(application.url)
            application.remind(driver.execute_async_script(SUBSCRIBE, application.key))
            url = f"{push.ready['control']}/messages?topic=dinner&state=delivered&wait=30s"
            with urllib.request.urlopen(url) as response:
                messages = json.load(response)["messages"]
        assert [message["service"] for message in messages] == ["fcm"]
        assert push.firefox_options(webdriver.FirefoxOptions()).preferences["dom.push.serverURL"] == push.ready["ws"]
    finally:
        push.stop()
        site.shutdown()
