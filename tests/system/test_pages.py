"""The pages in a real browser: nothing complained of, everything reachable by hand, key and screen reader."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import numpy as np
import pytest
from house import draw

from benchmarks import chromium
from nst_batch.job import JobInput, JobSpec, Outcome
from nst_batch.layers.album import Album
from nst_batch.layers.study import ImageView, LayerView
from nst_batch.report.gallery import Gallery
from nst_batch.report.live import live_script
from nst_batch.sidecar.settings import Patch, resolve
from nst_batch.spool.disk.fs import FileSystem
from nst_batch.worker.film import animated_webp, dissolved, has_mp4, mp4
from nst_batch.worker.shown import show

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not (chromium.CHROMIUM and chromium.DRIVER), reason=chromium.MISSING),
]

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
HOSTILE = "<img src=x onerror=alert(1)> & 'quotes' 100% #1"
STATES = {7: "failed", 8: "stopped"}
STYLES = (
    "Impressionismus.png", "Jugendstil-Fensterbild.png", "Donaudampfschifffahrt.png",
    "IMG_20260301_203015_BURST001.png", "上海外滩夜景.png", "פסיפס.png", f"{'a' * 90}.png",
)  # fmt: skip


def add(outbox: Path, number: int, *, title: str = "", epochs: int = 0) -> None:
    """One result, as publishing leaves it."""
    state = STATES.get(number, "done")
    title = title or f"result {number:02d}"
    folder = outbox / ("failed" if state == "failed" else ("", "series")[number % 2]) / title
    style = ("waves.png", f"{HOSTILE}.png")[number % 3 == 0]
    sizes = ((96, 64), (64, 96), (96, 96))
    draw(folder / "input/photo.png", size=sizes[number % 3], hue=number * 7)
    draw(folder / "input" / style, size=(64, 64), hue=200)
    if state != "failed":
        draw(folder / f"{title}.png", size=sizes[number % 3], hue=number * 20)
    for epoch in range(1, epochs + 1):
        draw(folder / f"epochs/{title}_epoch_{epoch:04d}.png", size=sizes[number % 3], hue=number * 20 + epoch)
    (folder / "loss.json").write_text(f'{{"log": [\n{{"total": {100 + (number * 37) % 50}}}\n]}}\n')
    job = {
        "title": title,
        "id": f"20260301-{number:06d}-000000-abcd.0001",
        "state": state,
        "settings": {"preset": "draft", "size": 96},
        "inputs": [{"role": "content", "name": "photo.png"}, {"role": "style", "name": style}],
        "finished_at": f"2026-03-{1 + number // 8:02d}T20:{number % 60:02d}:00+00:00",
        "seconds": 10 + (number * 13) % 40,
        "steps_done": 100,
    }
    if state == "failed":
        job |= {"reason": "image_truncated", "message": HOSTILE, "advice": "copy it again"}
    (folder / "job.json").write_text(json.dumps(job))


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty results, one failed, one stopped, one with a hostile title, one with epochs."""
    path = tmp_path_factory.mktemp("pages") / "my outbox #1"
    path.mkdir()
    for number in range(30):
        add(
            path,
            number,
            title=HOSTILE.replace("<", "(").replace(">", ")") if number == 5 else "",
            epochs=4 * (number == 29),
        )
    Gallery(path).update()
    return path


@pytest.fixture(scope="module", params=["file", "http"])
def address(request: pytest.FixtureRequest, outbox: Path) -> Iterator[str]:
    """Where the page is: on the disk, and on a web server."""
    if request.param == "file":
        yield (outbox / "index.html").as_uri()
        return

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Nobody reads it."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=outbox)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver = chromium.start(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


class Tab:
    """The page in a tab; ``js`` runs in it."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        self.address = address
        chromium.look(driver, 1280, 800)
        driver.get("about:blank")
        driver.get_log("browser")
        driver.get_log("performance")
        driver.get(address)
        self.wait("document.querySelectorAll('.laid .tile canvas[data-drawn]').length")

    @classmethod
    def of_page(cls, driver: Any, address: str, width: int, *, dark: bool = False) -> Tab:
        """Any page, at a width as a phone or a screen has it, with nothing complained of before."""
        tab = object.__new__(cls)
        tab.driver, tab.address = driver, address
        chromium.look(driver, width, 844, dark=dark, touch=width < 500)
        driver.get("about:blank")
        driver.get_log("browser")
        driver.get(address)
        return tab

    def js(self, script: str) -> Any:
        return self.driver.execute_script(f"return ({script})")

    def wait(self, script: str, seconds: float = 20.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.js(script)):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return found

    def settle(self) -> None:
        """Let the page answer to what it was just given, its new sizes among it: three frames."""
        frames = "next => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(next)))"
        self.driver.execute_async_script(f"({frames})(arguments[0])")

    def part(self, name: str) -> Any:
        return self.driver.find_element("css selector", f"[data-part={name}]")

    def choose(self, name: str, value: str) -> None:
        self.js(f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('change')) }})"
                f"(document.querySelector('[data-part={name}]'))")  # fmt: skip

    def type(self, keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(keys)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def titles(self) -> list[str]:
        return list(self.js("[...document.querySelectorAll('.laid .name')].map(e => e.textContent)"))

    def open(self, title: str) -> None:
        self.choose("sort", "new")
        self.js(
            "[...document.querySelectorAll('.laid .tile a')]"
            f".find(e => e.textContent.includes({json.dumps(title)})).click()"
        )
        self.wait("document.querySelector('dialog').open && document.querySelector('[data-part=picture]').naturalWidth")

    def close(self) -> None:
        self.part("close").click()


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Tab]:
    """The gallery; whatever a test does, the console must stay empty."""
    tab = Tab(browser, address)
    yield tab
    assert tab.complaints() == []


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True), (3840, False)])
def test_the_checker_for_accessibility_finds_nothing(tab: Tab, width: int, dark: bool) -> None:
    """axe-core: names, roles, contrast, order, on the page and in its viewer, in light and dark, narrow and wide."""
    chromium.look(tab.driver, width, 844, dark=dark, touch=width < 500)
    time.sleep(0.3)
    tab.js("document.querySelector('[data-part=failures]').open = true")
    findings = check(tab)
    tab.open("result 29")
    tab.part("compare").click()
    findings += check(tab)
    tab.part("compare").click()
    tab.close()
    assert not findings, "\n".join(findings)


def check(tab: Tab) -> list[str]:
    # Debugger's own world: the page's policy lets no script in.
    tab.driver.execute_script(AXE)
    found = tab.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical", "moderate")
        for node in each["nodes"]
    ]


def test_everything_is_asked_of_the_outbox_alone(tab: Tab) -> None:
    """No request leaves the folder, and what is asked for is there."""
    requests = []
    for entry in tab.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            requests.append(message["params"]["request"]["url"])
    base = tab.address.rpartition("/")[0]
    assert len(requests) > 20
    # The browser's own icons, of a date field for one, are no requests.
    assert [url for url in requests if not url.startswith((base, "data:image/svg"))] == []


def test_filters_and_sorting(tab: Tab) -> None:
    """Text, state, style, folder and date narrow it down; loss and duration order it; clear brings all back."""
    everything = tab.js("document.querySelector('.laid .tile').getAttribute('aria-setsize')")
    assert everything == "29"
    tab.part("text").send_keys("series 1")
    assert 0 < int(tab.js("document.querySelector('.laid .tile').getAttribute('aria-setsize')")) < 29
    assert all("series/" in each for each in tab.js("[...document.querySelectorAll('.laid a')].map(e => e.href)"))
    tab.part("reset").click()
    for key, value, count in (("state", "stopped early", 1), ("where", "series", 14), ("from", "2026-03-04", 6)):
        tab.choose(key, value)
        assert tab.js("+document.querySelector('.laid .tile').getAttribute('aria-setsize')") == count, key
        tab.part("reset").click()
    tab.choose("style", f"{HOSTILE}.png")
    assert tab.js("+document.querySelector('.laid .tile').getAttribute('aria-setsize')") == 10
    tab.choose("state", "failed")
    assert "No picture fits" in tab.part("grid").text
    tab.part("reset").click()
    tab.choose("sort", "loss")
    assert tab.titles()[:2] == ["result 00", "result 23"]  # 100 + n · 37 mod 50
    tab.choose("sort", "long")
    assert tab.titles()[0] == "result 03"
    tab.choose("sort", "new")
    assert tab.titles()[0] == "result 29"


def test_the_viewer_by_key(tab: Tab) -> None:
    """Arrows turn, c compares, the slider is a slider, z shows pixels, Escape closes and the tile has the focus."""
    tab.open("result 28")
    title = "document.querySelector('[data-part=shown-title]').textContent"
    tab.type("\ue014")
    assert tab.wait(f"{title} === 'result 27' && {title}")
    tab.type("\ue012")
    tab.type("\ue012")
    assert tab.wait(f"{title} === 'result 29' && {title}")
    tab.type("c")
    assert tab.part("before").is_displayed()
    tab.part("range").send_keys("\ue014\ue014")
    assert tab.js("document.querySelector('[data-part=canvas]').style.getPropertyValue('--cut')") == "52%"
    tab.part("stage").send_keys("c")
    tab.part("stage").send_keys("z")
    assert tab.part("level").text == "100 %"
    assert tab.js(
        "document.querySelector('[data-part=canvas]').clientWidth"
        " === document.querySelector('[data-part=picture]').naturalWidth"
    )
    tab.part("stage").send_keys("z")
    tab.type("\ue00c")
    assert tab.wait("!document.querySelector('dialog').open")
    tab.wait("document.activeElement.textContent.includes('result 29')")


def test_the_epochs_are_a_strip_and_a_film(tab: Tab) -> None:
    """Each epoch can be looked at; played, they run to the result by themselves."""
    tab.open("result 29")
    frames = tab.driver.find_elements("css selector", "[data-part=strip] button")
    assert len(frames) == 5
    frames[0].click()
    assert tab.js("document.querySelector('[data-part=picture]').src").endswith("_0001.png")
    tab.part("play").click()
    tab.wait("document.querySelector('[data-part=play]').getAttribute('aria-pressed') === 'false'")
    assert tab.js("document.querySelector('[data-part=picture]').src").endswith("/result%2029.png")
    tab.close()


def test_the_slider_and_the_swipe_by_touch(tab: Tab) -> None:
    """A finger across the picture turns to the neighbour; with the slider open it moves the cut instead."""
    chromium.look(tab.driver, 390, 844, touch=True)
    tab.open("result 20")
    box = tab.part("stage").rect

    def drag(start: float, end: float) -> None:
        y = box["y"] + box["height"] / 2
        for kind, x in (("touchStart", start), ("touchMove", (start + end) / 2), ("touchMove", end)):
            points = [{"x": box["x"] + x * box["width"], "y": y}]
            tab.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        tab.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    drag(0.8, 0.2)
    tab.wait("document.querySelector('[data-part=shown-title]').textContent === 'result 19'")
    tab.part("compare").click()
    drag(0.5, 0.75)
    cut = tab.js("parseFloat(document.querySelector('[data-part=canvas]').style.getPropertyValue('--cut'))")
    assert 65 < cut < 90
    assert tab.js("document.querySelector('[data-part=shown-title]').textContent") == "result 19"
    tab.part("compare").click()
    tab.close()


def test_on_a_phone_the_picture_has_no_bands(tab: Tab) -> None:
    """Its stage is as high as it is, and what is told of it stands below, not beyond the screen."""
    chromium.look(tab.driver, 390, 844, touch=True)
    tab.open("result 27")
    shape = "[part.clientWidth, part.clientHeight]"
    stage, canvas = (
        tab.js(f"(part => {shape})(document.querySelector('[data-part={name}]'))") for name in ("stage", "canvas")
    )
    assert all(abs(a - b) <= 2 for a, b in zip(stage, canvas, strict=True))
    assert tab.part("inputs").rect["y"] < 844
    tab.close()


def test_hostile_names_are_only_names(tab: Tab) -> None:
    """A title and a file name full of markup are shown as they are, and their pictures are found."""
    tab.js("window.scrollTo(0, 1e6)")
    tab.wait("document.querySelectorAll('.laid .tile canvas[data-drawn]').length")
    tab.part("text").send_keys("onerror result 06")
    tab.wait("document.querySelector('.laid .tile').getAttribute('aria-setsize') === '1'")
    tab.open("result 06")
    assert HOSTILE in tab.part("inputs").text
    assert tab.wait("[...document.querySelectorAll('[data-part=inputs] img')].every(e => e.naturalWidth)")
    tab.close()
    tab.part("reset").click()
    tab.js("document.querySelector('[data-part=failures]').open = true")
    assert HOSTILE in tab.part("failed").text


def test_the_page_renews_itself(tab: Tab, outbox: Path) -> None:
    """A running job appears with its curve and its time left, its result takes its place, nothing is reloaded."""
    tab.js("window.same = true")
    live = outbox / ".gallery/live.js"
    idle = live.read_text()
    job = {
        "id": "1", "name": HOSTILE, "step": 30, "steps": 100, "epoch": 3, "epochs": 10, "loss": 1234.5, "scale": "",
        "left": 75.0, "preview": None, "curve": [[1, 9.0, ""], [10, 4.0, ""], [20, 2.0, ""], [30, 1.0, ""]],
    }  # fmt: skip
    live.write_text(live_script([job], 2, time.time() + 600, time.time()))
    tab.js("Object.defineProperty(document, 'hidden', {value: false})")
    tab.wait("document.querySelector('.job')")
    assert HOSTILE in tab.part("jobs").text
    assert "1 min 15 s left" in tab.part("jobs").text
    assert tab.js("document.querySelector('.job path').getAttribute('d').length > 20")
    assert "2 waiting · everything done in about " in tab.part("queue").text
    live.write_text(live_script([{**job, "ends": "is being stopped"}], 2, None, time.time()))
    tab.wait("document.querySelector('.job p').textContent === 'is being stopped'")
    live.write_text(live_script([job], 2, None, time.time(), "paused"))
    tab.wait("document.querySelector('[data-part=queue]').textContent === '2 waiting · paused'")
    add(outbox, 50, title="brand new")
    Gallery(outbox).update()
    live.write_text(idle)
    try:
        tab.wait("[...document.querySelectorAll('.laid .name')].some(e => e.textContent === 'brand new')")
        tab.wait("!document.querySelector('.job')")
        assert tab.js("window.same")
    finally:
        (outbox / "brand new").rename(outbox.parent / f"brand new {time.monotonic_ns()}")
        Gallery(outbox).update()


def test_what_one_looks_at_stays_in_its_place_while_results_come(tab: Tab, outbox: Path) -> None:
    """Scrolled down to the older ones, and the focus on one of them, nothing moves below the reader."""
    chromium.look(tab.driver, 900, 500)
    tab.js("Object.defineProperty(document, 'hidden', {value: false})")
    tab.js("window.scrollTo(0, 700)")
    tab.settle()
    tab.js("[...document.querySelectorAll('.laid a')].find(e => e.getBoundingClientRect().top > 60).focus()")
    place = "(e => [e.getAttribute('href'), Math.round(e.getBoundingClientRect().top)])(document.activeElement)"
    before = tab.js(place)
    names = [f"newer {number}" for number in range(3)]
    try:
        for number, name in enumerate(names):
            add(outbox, 51 + number, title=name)
        Gallery(outbox).update()
        tab.wait("document.querySelector('[data-part=summary]').textContent.startsWith('32 ')")
        tab.settle()
        assert before[0]
        assert tab.js(place) == before
    finally:
        for path in [*outbox.glob("newer *"), *outbox.glob("series/newer *")]:
            path.rename(outbox.parent / f"{path.name} {time.monotonic_ns()}")
        Gallery(outbox).update()


def test_a_daemon_is_at_work_by_whether_it_writes_whatever_its_clock_says(tab: Tab) -> None:
    """By one an hour off as well, as soon as it has written again; for half a minute after the last time."""
    hidden = "document.querySelector('[data-part=running]').hidden"
    said = "nst.live({running: [], waiting: 2, held: '', emptyAt: HOUR + 700, daemon: true, at: HOUR})"

    def heard(second: int, hour: str) -> bool:
        tab.js(said.replace("HOUR", f"(Date.now() / 1000 + {second} {hour})"))
        return not tab.js(hidden)

    tab.js("Object.defineProperty(document, 'hidden', {value: true})")  # it asks for nothing meanwhile
    tab.js("performance.now = () => window.seconds * 1000")
    tab.js("window.seconds = 100")
    assert not heard(0, "- 3600")  # it may have ended an hour ago
    assert heard(10, "- 3600")
    assert "everything done in about 11 min 40 s" in tab.part("queue").text
    tab.js("window.seconds = 131")
    tab.js("nst.live(window.last = {running: [], waiting: 2, held: '', emptyAt: null, daemon: true, at: 5})")
    assert not tab.js(hidden)
    tab.js("window.seconds = 162")
    tab.js("nst.live(window.last)")
    assert tab.js(hidden)


def test_only_what_is_near_stands_in_the_page(tab: Tab) -> None:
    """Scrolled to the end and back, the number of pictures in the page stays small and none near is missing."""
    chromium.look(tab.driver, 390, 500)
    time.sleep(0.3)
    assert tab.js("document.querySelectorAll('.laid .tile').length") < 29
    tab.js("window.scrollTo(0, 1e6)")
    tab.wait("[...document.querySelectorAll('.laid .name')].some(e => e.textContent === 'result 00')")
    assert tab.js("document.querySelectorAll('.laid .tile').length") < 29
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def job_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job's own page, with epochs, two scales and a hostile title."""
    folder = tmp_path_factory.mktemp("job") / "one #1"
    draw(folder / "input/photo.png", size=(96, 64))
    draw(folder / "input/waves.png", size=(64, 64), hue=90)
    draw(folder / "a.png", size=(96, 64), hue=40)
    for epoch in (1, 2):
        draw(folder / f"epochs/a_epoch_000{epoch}.png", size=(96, 64), hue=40 + epoch)
    log = [
        {
            "step": step, "epoch": 1 + (step > 10), "scale": 1 + (step > 10), "height": 64, "width": 96,
            "total": 100.5 / step, "content": 10.0 / step, "style": 5.0 / step, "tv": 1.0,
            "weights": {"content": 1.0, "style": 2.0, "tv": 0.5}, "content_layers": {"block5_conv2": 3.0},
            "style_layers": {"block1_conv1": 1.0 / step, "block2_conv1": 2.0}, "seconds": step / 10,
        }
        for step in range(1, 21)
    ]  # fmt: skip
    (folder / "loss.json").write_text(json.dumps({"title": "a", "steps_per_epoch": 10, "log": log}))
    spec = JobSpec(
        id="1", name="a", title=HOSTILE, output="", settings=resolve(Patch(size=96)), sidecar={}, received_at="2026",
        inputs=(
            JobInput(role="content", name="photo.png", path=""), JobInput(role="style", name="waves.png", path=""),
        ),
    )  # fmt: skip
    frames = dissolved(
        [draw(folder / f"frames/{n}.jpg", size=(96, 64), hue=40 * n) for n in range(3)], FileSystem().reader
    )
    film = {"webp": animated_webp(frames, [42] * 3)}
    film |= {"mp4": mp4(frames, [42] * 3)} if has_mp4() else {}
    for kind, data in film.items():
        (folder / f"{HOSTILE}_timelapse.{kind}").write_bytes(data)
    outputs = ("a.png", "epochs/a_epoch_0001.png", "epochs/a_epoch_0002.png")
    outputs += tuple(f"{HOSTILE}_timelapse.{kind}" for kind in film)
    show(FileSystem(), folder, spec, Outcome(state="done", final="a.png", outputs=outputs, seconds=2.0, steps_done=20))
    return (folder / "index.html").as_uri()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_jobs_page(browser: Any, job_page: str, width: int, dark: bool) -> None:
    """Nothing complained of, no finding; the slider, the film, and the values of the step that keys lead to."""
    tab = Tab.of_page(browser, job_page, width, dark=dark)
    assert tab.wait("document.querySelector('[data-part=picture]').naturalWidth") == 96
    assert tab.js("document.querySelector('h1').textContent") == HOSTILE
    values = "document.querySelector('[data-part=values]').textContent"
    assert "step 20, epoch 2" in tab.js(values)
    assert "5.025" in tab.js(values)  # 100.5 / 20
    tab.driver.find_element("css selector", ".plot .scroll").send_keys("\ue012" * 10)
    assert "step 10, epoch 1" in tab.js(values)
    assert "10.05" in tab.js(values)
    if has_mp4():
        assert tab.wait("document.querySelector('video').duration") > 0.1
    tab.part("compare").click()
    assert tab.part("before").is_displayed()
    tab.part("compare").click()
    tab.part("play").click()
    tab.wait("document.querySelector('[data-part=play]').getAttribute('aria-pressed') === 'false'")
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    findings = check(tab)
    assert not findings, "\n".join(findings)
    assert tab.complaints() == []


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_a_page_of_what_was_not_done(browser: Any, outbox: Path, width: int, dark: bool) -> None:
    """Its reason, what to do, and its images, by a link from the gallery; no finding, nothing complained of."""
    tab = Tab(browser, (outbox / "index.html").as_uri())
    chromium.look(browser, width, 844, dark=dark, touch=width < 500)
    tab.js("document.querySelector('[data-part=failures]').open = true")
    browser.find_element("css selector", ".failure h3 a").click()
    assert tab.wait("document.querySelector('h1').textContent") == "result 07"
    assert HOSTILE in browser.find_element("css selector", ".why").text
    assert "nst-batch retry 'result 07'" in browser.find_element("css selector", "pre").text
    tab.wait("[...document.images].every(e => e.naturalWidth)")
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    findings = check(tab)
    assert not findings, "\n".join(findings)
    assert tab.complaints() == []


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of three sidecars: a grid with a failure, one key varied, and many columns of names that people have."""
    outbox = tmp_path_factory.mktemp("sheets") / "outbox #1"
    for number, (content, style) in enumerate(
        [("a.png", "x.png"), ("a.png", HOSTILE), ("b.png", "x.png"), ("b.png", HOSTILE)], 1
    ):
        of_several(outbox, "grid", number, 4, content, style, {})
    for number in range(1, 9):
        of_several(outbox, "seeds", number, 8, "a.png", "x.png", {"seed": number})
    for number in range(14):
        content = ("Hochgeschwindigkeitszug.png", "الخط العربي.png")[number // 7]
        of_several(outbox, "names", number + 1, 14, content, STYLES[number % 7], {})
    Gallery(outbox).update()
    return outbox


# Words of the edges, as far as a line may not end in them, that stand on more lines than one.
BROKEN_WORDS = """
const broken = [];
for (const label of document.querySelectorAll('th bdi')) {
  const walker = document.createTreeWalker(label, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) for (const found of walker.currentNode.data.matchAll(/[^\\s-]+/g)) {
    const range = document.createRange();
    range.setStart(walker.currentNode, found.index);
    range.setEnd(walker.currentNode, found.index + found[0].length);
    if (new Set([...range.getClientRects()].map(e => Math.round(e.top))).size > 1) broken.push(found[0]);
  }
}
return broken.sort();
"""


def of_several(
    outbox: Path, sidecar: str, number: int, jobs: int, content: str, style: str, varied: dict[str, Any]
) -> None:
    add(outbox, 7 if (sidecar, number) == ("grid", 2) else 10 + number, title=f"{sidecar} {number}")
    path = next(outbox.rglob(f"{sidecar} {number}/job.json"))
    job = json.loads(path.read_text())
    job |= {"id": f"{sidecar}.{number:04d}", "of": {"sidecar": f"{sidecar}.yaml", "jobs": jobs}}
    job |= {"sidecar": {"vary": {key: [] for key in varied}}, "settings": varied}
    job["inputs"] = [{"role": "content", "name": content}, {"role": "style", "name": style}]
    path.write_text(json.dumps(job))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
@pytest.mark.parametrize("name", ["grid", "seeds"])
def test_a_contact_sheet(browser: Any, sheets: Path, name: str, width: int, dark: bool) -> None:
    """All of it is seen, nothing complained of, no finding; what is too wide moves within the page."""
    tab = Tab.of_page(browser, next(sheets.rglob(f"{name}-sheet/index.html")).as_uri(), width, dark=dark)
    tab.wait("[...document.images].every(e => e.naturalWidth)")
    assert len(browser.find_elements("css selector", "td a, .flow a")) == {"grid": 4, "seeds": 8}[name]
    if name == "grid":
        assert HOSTILE in browser.find_element("css selector", "thead").text
        assert "image truncated" in browser.find_element("css selector", "tbody").text
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    findings = check(tab)
    assert not findings, "\n".join(findings)
    assert tab.complaints() == []


@pytest.mark.parametrize(
    ("name", "width", "is_moved"),
    [*(("grid", width, False) for width in (260, 390, 1280, 3840)), *(("names", width, True) for width in (390, 1280))],
)
def test_a_contact_sheet_scrolls_only_what_is_too_wide(
    browser: Any, sheets: Path, name: str, width: int, is_moved: bool
) -> None:
    """No bar that moves nothing, down or across; what is too wide moves in a box of its own and not with the page."""
    tab = Tab.of_page(browser, next(sheets.rglob(f"{name}-sheet/index.html")).as_uri(), width)
    tab.js("document.querySelectorAll('img').forEach(e => { e.loading = 'eager' })")
    tab.wait("[...document.images].filter(e => e.clientWidth).every(e => e.naturalWidth)")
    box = "document.querySelector('.scroll')"
    assert tab.js(f"{box}.scrollHeight <= {box}.clientHeight")
    assert tab.js(f"{box}.scrollWidth > {box}.clientWidth") == is_moved
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_word_at_the_edges_of_a_contact_sheet_is_broken(browser: Any, sheets: Path, width: int) -> None:
    """But one that no column could hold. A row's own stands above it on a phone, and stays there when it is moved."""
    tab = Tab.of_page(browser, next(sheets.rglob("names-sheet/index.html")).as_uri(), width)
    broken = tab.driver.execute_script(BROKEN_WORDS)
    assert broken == ["a" * 90]
    tab.js("document.querySelector('.scroll').scrollLeft = 400")
    labels = "[...document.querySelectorAll('tbody th .label')].filter(e => e.clientWidth)"
    edges = tab.js(f"{labels}.map(e => e.getBoundingClientRect()).map(e => [e.left, e.right])")
    assert len(edges) == 2
    assert all(0 <= left < right <= width for left, right in edges)


@pytest.fixture(scope="module")
def layers_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """How VGG19 sees, of two images, one with a hostile name."""
    folder = tmp_path_factory.mktemp("layers") / "out #1"
    generator = np.random.default_rng(0)

    def drawn(*shape: int) -> Any:
        return generator.random(shape, np.float32)

    album = Album(folder, [(HOSTILE, None), ("waves.png", None)])
    for layer, places, filters in (("block1_conv1", 40, 64), ("block3_conv2", 10, 256), ("block5_conv4", 3, 512)):
        maps = tuple(drawn(places, places * 2) for _ in range(6))
        image = ImageView(maps, drawn(filters, filters), drawn(80, 160, 3), drawn(80, 160, 3))
        album.add(LayerView(layer, 3, (1, 2, 3, 4, 5, 60), drawn(6, 96, 96, 3), (image, image)))
    album.finish({"of": f"{HOSTILE}, waves.png", "weights": "auto"})
    return (folder / "index.html").as_uri()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280, 3840])
def test_the_layers_page(browser: Any, layers_page: str, width: int, *, dark: bool) -> None:
    """Nothing complained of, no finding, nothing wider than the page, every picture there."""
    tab = Tab.of_page(browser, layers_page, width, dark=dark)
    tab.js("document.querySelectorAll('img').forEach(e => { e.loading = 'eager' })")
    tab.wait("[...document.images].every(e => e.naturalWidth)")
    assert HOSTILE in browser.find_element("css selector", ".top").text
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    findings = check(tab)
    assert not findings, "\n".join(findings)
    assert tab.complaints() == []


@pytest.mark.parametrize("script", [True, False])
def test_where_nothing_was_done_the_failures_are_what_is_shown(browser: Any, tmp_path: Path, *, script: bool) -> None:
    """They stand open, and no filter is blamed for the pictures that there are not."""
    add(tmp_path, 7, title="the only one")
    Gallery(tmp_path).update()
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    try:
        browser.get((tmp_path / "index.html").as_uri())
        end = time.monotonic() + 20
        while script and "1 not done" not in browser.find_element("css selector", "[data-part=summary]").text:
            assert time.monotonic() < end
        assert browser.find_element("css selector", ".failure h3").is_displayed()
        assert "fits" not in browser.find_element("css selector", "main").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize(
    ("value", "said"),
    [("12345.6", "12,346"), ("0.25", "0.25"), ("171900000000", "1.719·10¹¹"), ("0.00001", "1·10⁻⁵"), ("0", "0")],
)
def test_numbers_are_written_as_people_do(job_page: str, browser: Any, value: str, said: str) -> None:
    """Never as programs do, with an e in them."""
    tab = Tab.of_page(browser, job_page, 1280)
    assert tab.js(f"number({value})") == said


def test_a_picture_on_its_page_has_no_bands(job_page: str, browser: Any) -> None:
    """Its place is no wider than it is, its inputs stand beside it, and nothing is wider than the window."""
    for width, height in ((1440, 600), (1440, 900), (1440, 2000), (1024, 1366), (1080, 1920), (920, 1366), (800, 600)):
        tab = Tab.of_page(browser, job_page, width)
        chromium.look(browser, width, height)
        box = "(name => document.querySelector(`[data-part=${name}]`).getBoundingClientRect())"
        tab.wait("document.querySelector('[data-part=canvas]').style.width")
        tab.settle()
        assert tab.js(f"Math.abs({box}('stage').width - {box}('canvas').width)") < 3, (width, height)
        assert tab.js(f"{box}('stage').height <= 0.8 * innerHeight")
        assert tab.js("document.documentElement.scrollWidth <= innerWidth"), (width, height)


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_a_page_of_all_results(browser: Any, outbox: Path, width: int, *, dark: bool) -> None:
    """As those without script have it: no finding, nothing wider than the page."""
    tab = Tab.of_page(browser, (outbox / ".gallery/older/0001.html").as_uri(), width, dark=dark)
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    findings = check(tab)
    assert not findings, "\n".join(findings)
    assert tab.complaints() == []


def test_a_long_title_leaves_room_for_its_picture(browser: Any, tmp_path: Path) -> None:
    """On a phone three lines of it stand above the picture; the whole of it is told where the folder is."""
    title = "W" * 190
    add(tmp_path, 1, title=title)
    Gallery(tmp_path).update()
    tab = Tab(browser, (tmp_path / "index.html").as_uri())
    chromium.look(browser, 390, 844, touch=True)
    tab.open("WWW")
    assert tab.js("document.querySelector('[data-part=stage]').getBoundingClientRect().top") < 160
    assert tab.js("document.querySelector('[data-part=shown-title]').title").startswith("W" * 100)
    assert title in tab.part("facts").text
    tab.close()


def test_the_gallery_leads_to_the_sheets(browser: Any, sheets: Path) -> None:
    """Each by its small picture and its name."""
    tab = Tab(browser, (sheets / "index.html").as_uri())
    tab.wait("[...document.querySelectorAll('.sheets img')].every(e => e.naturalWidth)")
    cards = browser.find_elements("css selector", ".sheets a")
    assert {card.find_element("css selector", ".name").text for card in cards} == {"grid", "names", "seeds"}
    findings = check(tab)
    assert not findings, "\n".join(findings)
    cards[0].click()
    assert tab.js("document.querySelector('h1').textContent") in ("grid", "names", "seeds")
    assert tab.complaints() == []


def test_without_script_everything_is_there(browser: Any, address: str) -> None:
    """The newest on the page, the others behind links, no empty controls."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert len(browser.find_elements("css selector", ".tile img")) == 29
        assert not browser.find_element("css selector", "[data-part=filters]").is_displayed()
        browser.find_element("css selector", "[data-part=older] a").click()
        assert len(browser.find_elements("css selector", ".tile img")) == 29
        assert len(browser.find_elements("css selector", ".failure")) == 1
        assert [entry["message"] for entry in browser.get_log("browser")] == []
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
