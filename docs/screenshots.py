"""Pictures of the demo's pages, made from the running system: `make screenshots`.

Starts a demo of its own, waits for its incidents, signs in, and writes docs/pictures/*.png.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
DESK = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
WAIT_S = 180.0
GAS = re.compile("Gas leak|燃气泄漏")
BURST = re.compile("Pipe burst|爆管")
"""The incident of the pictures: short enough for one, and what the whole is for."""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def main() -> None:
    """Runs the demo, takes the pictures, ends it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is missing: run  apt-get install chromium fonts-noto-cjk")
    folder = Path(tempfile.mkdtemp(prefix="lifeline-pictures-"))
    folder.chmod(0o755)
    demo = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "lifeline",
            "demo",
            "--folder",
            str(folder / "demo"),
            "--language",
            "en",
        ]
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            take(browser, folder / "demo")
            browser.close()
    finally:
        demo.terminate()
        demo.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def take(browser: Browser, folder: Path) -> None:
    """The list and two incidents, in both languages; the first on a phone too."""
    pushes = folder / "pushes.jsonl"
    until = time.monotonic() + WAIT_S
    while not (pushes.exists() and pushes.read_text().count("opened") >= 4):
        if time.monotonic() > until:
            raise SystemExit(f"four incidents did not come within {WAIT_S:.0f} s")
        time.sleep(1)
    time.sleep(3)
    port = tomllib.loads((folder / "lifeline.toml").read_text())["console"]["port"]
    password = (folder / "secrets" / "demo").read_text()
    for language, locale in (("en", "en-GB"), ("zh", "zh-CN")):
        context = browser.new_context(viewport=DESK, locale=locale)
        page = context.new_page()
        sign_in(page, port, password)
        page.screenshot(path=PICTURES / f"incidents-{language}.png")
        href = page.locator("a.incident-link", has_text=GAS).first.get_attribute("href")
        page.goto(f"http://127.0.0.1:{port}{href}")
        page.screenshot(path=PICTURES / f"incident-{language}.png", full_page=True)
        page.set_viewport_size(PHONE)
        page.screenshot(path=PICTURES / f"phone-{language}.png")
        burst(page, port, language)
        context.close()


def burst(page: Page, port: int, language: str) -> None:
    """Why the burst is believed to be where it is: its place comes at the second frame."""
    page.set_viewport_size(DESK)
    page.goto(f"http://127.0.0.1:{port}/")
    href = page.locator("a.incident-link", has_text=BURST).first.get_attribute("href")
    page.goto(f"http://127.0.0.1:{port}{href}")
    page.locator(".reason", has=page.locator(".sketch")).first.screenshot(
        path=PICTURES / f"burst-{language}.png"
    )


def sign_in(page: Page, port: int, password: str) -> None:
    """Signs in as the demo's officer."""
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator("input[name=name]").fill("demo")
    page.locator("input[name=password]").fill(password)
    page.locator("button.primary").first.click()
    page.wait_for_selector("a[href^='/incidents/']")


if __name__ == "__main__":
    main()
