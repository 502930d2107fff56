"""The site is built strictly, and its pages are opened in a browser at two widths."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = [name for name in ("sphinx", "furo", "myst_nb", "selenium") if not find_spec(name)]
SWITCHES = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
""".split()
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {MISSING}; `make test-slow` does"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = ["--fail-on-warning", "--keep-going", "--quiet", "-c", ROOT / "docs"]
    words += ["-d", tmp_path_factory.mktemp("doctrees"), ROOT, folder]
    done = subprocess.run([sys.executable, "-m", "sphinx", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module", params=WIDTHS)
def browser(request, tmp_path_factory):
    if BROWSER is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for switch in [*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    width, height = WIDTHS[request.param]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.implicitly_wait(10)
    yield driver
    driver.quit()


STATE = """
return {
    broken: [...document.images].filter(each => !each.naturalWidth).map(each => each.src),
    pictures: document.images.length,
    loaded: performance.getEntriesByType("resource").map(each => each.name),
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    colors: new Set([...document.querySelectorAll("[class*=python] > .highlight span")]
        .map(each => getComputedStyle(each).color)).size,
}
"""


def loaded_state(browser) -> dict:
    """Return a page's state when its pictures are there, or after ten seconds without them."""
    end = time.monotonic() + 10
    state = browser.execute_script(STATE)
    # A page may be shown before its last picture has arrived, if the machine is busy.
    while state["broken"] and time.monotonic() < end:
        time.sleep(0.1)
        state = browser.execute_script(STATE)
    return state


def test_pages_show_pictures_and_code_and_load_nothing_from_other_servers(browser, site, address):
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    pictures, colors = 0, {}
    for page in pages:
        browser.get(f"{address}/{page}")
        state = loaded_state(browser)
        pictures += state["pictures"]
        colors[page] = state["colors"]
        assert not state["broken"], page
        assert state["overflow"] <= 0, page
        assert [name for name in state["loaded"] if not name.startswith(address)] == [], page
        assert browser.get_log("browser") == [], page
    assert len(pages) > 40 and pictures > 20
    for page in ("README", "docs/fid", "notebooks/02_balancing", "docs/reference/balancing_vae"):
        assert colors[f"{page}.html"] >= 3, page  # words of Python are told apart


def test_search_finds_a_class_and_links_to_its_description(browser, address):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    browser.get(f"{address}/")
    if browser.execute_script("return window.innerWidth") < 500:
        browser.find_element(By.CSS_SELECTOR, "label.nav-overlay-icon").click()
    field = browser.find_element(By.CSS_SELECTOR, "input.sidebar-search")
    WebDriverWait(browser, 10).until(lambda _: field.is_displayed())
    field.send_keys("GammaBalancing")
    field.submit()
    found = browser.find_element(By.CSS_SELECTOR, "ul.search a[href*='GammaBalancing']")
    assert found.text == "balancing_vae.GammaBalancing"
    browser.get(found.get_attribute("href"))
    described = browser.find_element(By.CSS_SELECTOR, "dt:target")
    assert "GammaBalancing" in described.text
    assert browser.get_log("browser") == []


def test_code_that_is_a_public_name_links_to_its_description(site):
    page = (site / "docs" / "api.html").read_text("utf-8")
    assert re.search(r'href="reference/balancing_vae.models.html#balancing_vae.models.VAE"', page)
    page = (site / "docs" / "reference" / "balancing_vae.models.html").read_text("utf-8")
    assert 'href="balancing_vae.balancing.html#balancing_vae.balancing.BalancingStrategy"' in page


def test_every_public_name_is_described(site):
    import importlib

    from api_page import ROOMS

    described = "".join(
        path.read_text("utf-8") for path in (site / "docs" / "reference").glob("*.html")
    )
    for room in ROOMS:
        for name in importlib.import_module(f"balancing_vae.{room}").__all__:
            assert f'id="balancing_vae.{room}.{name}"' in described, (room, name)
