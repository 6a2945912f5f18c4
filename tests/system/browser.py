"""A headless Chromium for tests of pages; skips loudly where there is none.

    from browser import box, chromium, page

are one box and one browser for all tests of a module, and the box's first page in it."""

import contextlib
import os
import tempfile

import pytest
from conftest import PATIENCE, Box, needs

OPTIONS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars",
]  # fmt: skip


class Browser:
    """One browser with its cookies. `driver` is selenium's."""

    def __init__(self, width=1280, height=900, scripts=True, more=()):
        selenium = pytest.importorskip("selenium.webdriver", reason="python3-selenium is not installed")
        from selenium.webdriver.chrome.service import Service

        options = selenium.ChromeOptions()
        options.binary_location = needs("chromium")
        for option in [*OPTIONS, *more, f"--window-size={width},{height}"]:
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Chromium leaves things there, and some of its processes end late.
        self.folder = tempfile.TemporaryDirectory(prefix="riad-browser-", ignore_cleanup_errors=True)
        service = Service(needs("chromedriver"), env={**os.environ, "TMPDIR": self.folder.name})
        self.driver = selenium.Chrome(options=options, service=service)
        self.driver.set_script_timeout(30)
        self.size(width, height)
        if not scripts:
            self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})

    def size(self, width, height, dark=False):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def open(self, url):
        self.driver.get(url)
        return self

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def text(self, selector="body"):
        return self.one(selector).text

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition, what, timeout=10):
        """Waits until condition(), which may fail to find things, is true; its result."""
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from selenium.webdriver.support.wait import WebDriverWait

        wait = WebDriverWait(
            self.driver, timeout * PATIENCE, 0.05, ignored_exceptions=[WebDriverException]
        )
        try:
            return wait.until(lambda driver: condition())
        except TimeoutException:
            raise AssertionError(f"waited in vain for {what}; the page:\n{self.text()}") from None

    def wait_text(self, text, selector="body", timeout=10):
        return self.wait(lambda: text in self.text(selector), f"“{text}” in {selector}", timeout)

    def complaints(self):
        """What the console says: errors of scripts, refusals of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def close(self):
        self.driver.quit()
        self.folder.cleanup()


@contextlib.contextmanager
def browser(**options):
    made = Browser(**options)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def chromium():
    """One browser for all tests of this module: it forgets its cookies between them."""
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="module")
def box():
    """One box for all of them; each test takes names of its own."""
    with Box({}) as made:
        yield made


@pytest.fixture
def page(chromium, box):
    """The browser at the box's first page, as a guest."""
    chromium.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.complaints()
    chromium.size(1280, 900)
    yield chromium.open(box.url("/"))
    chromium.open("about:blank")
