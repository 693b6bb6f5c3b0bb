"""Reports in a headless Chromium: what loads, what runs, and whether it can be read."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.parity import results

from diglot.parity import report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("equal", "different", "hostile", "broken")
PHONE = {"width": 360, "height": 740}

# The contrast between each text and what is behind it, as the WCAG define it. The canvas turns any
# colour that CSS can write into red, green and blue.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const read = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = (color) => {
        const [red, green, blue] = color.slice(0, 3).map((each) => {
            const share = each / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const color = read(getComputedStyle(one).backgroundColor);
            if (color[3] === 255) return color;
        }
        throw new Error("nothing is behind");
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (["title", "SCRIPT"].includes(element.tagName)) continue;
        const style = getComputedStyle(element);
        const drawn = element instanceof SVGElement ? style.fill : style.color;
        const pair = [light(read(drawn)), light(behind(element))].sort((a, b) => b - a);
        found.push([(pair[0] + 0.05) / (pair[1] + 0.05), walker.currentNode.data.slice(0, 40)]);
    }
    return found;
}"""


@dataclass
class Opened:
    """A page, and what happened while it was open."""

    page: Any
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium is on the path")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=path)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for name in NAMES:
        report.write(getattr(results, name)(), folder / f"{name}.html")
    return {name: folder / f"{name}.html" for name in NAMES}


@pytest.fixture
def show(browser: Any, reports: dict[str, Path]) -> Iterator[Callable[..., Opened]]:
    """A function that opens a report from disk, with options of the browser."""
    contexts = []

    def opened(name: str, **options: Any) -> Opened:
        context = browser.new_context(**options)
        contexts.append(context)
        opened_page = Opened(context.new_page())
        opened_page.page.on("console", lambda message: opened_page.messages.append(message.text))
        opened_page.page.on("pageerror", lambda error: opened_page.messages.append(str(error)))
        opened_page.page.on("dialog", lambda dialog: opened_page.messages.append(dialog.message))
        opened_page.page.on("request", lambda request: opened_page.requests.append(request.url))
        opened_page.page.goto(reports[name].as_uri())
        opened_page.page.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        return opened_page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_from_disk_without_messages_or_requests(
    name: str, show: Callable[..., Opened]
) -> None:
    opened = show(name)
    assert opened.messages == []
    assert len(opened.requests) == 1
    assert opened.requests[0].startswith("file://")
    styled = "getComputedStyle(document.querySelector('h1')).fontWeight"
    assert opened.page.evaluate(styled) == "650"
    for chart in (charts := opened.page.query_selector_all("figure svg")):
        sizes = chart.evaluate(
            """svg => [...svg.querySelectorAll("title")].map(title => {
                const box = title.parentElement.getBoundingClientRect();
                return Math.min(box.width, box.height);
            })"""
        )
        assert len(sizes) >= 3
        assert min(sizes) > 0
    assert len(charts) == 3


def test_hostile_texts_do_nothing(show: Callable[..., Opened]) -> None:
    opened = show("hostile")
    assert opened.page.title().startswith("Different: </script><script>")
    assert opened.page.locator("img, iframe, [onload], [onerror]").count() == 0
    assert opened.page.locator("script").count() == 1
    assert results.SCRIPT in opened.page.locator("h1 ~ .sides").inner_text()
    assert results.IMAGE in opened.page.locator(".failure .texts").first.inner_text()
    assert opened.messages == []


@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone_the_page_does_not_scroll_sideways(
    name: str, show: Callable[..., Opened]
) -> None:
    opened = show(name, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)
    widths = "[document.documentElement.scrollWidth, innerWidth]"
    assert opened.page.evaluate(widths) == [360, 360]


def test_on_a_phone_words_stay_whole(show: Callable[..., Opened]) -> None:
    page = show("different", viewport=PHONE, is_mobile=True).page
    for word in ("NEGATIVE", "POSITIVE", "tensorflow"):
        found = page.locator("bdi").filter(has_text=re.compile(f"^{word}$"))
        heights = found.evaluate_all("all => all.map((one) => one.getBoundingClientRect().height)")
        assert len(heights) >= 3
        assert 0 < min(heights) <= max(heights) < 30  # of one line


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["equal", "different"])
def test_all_text_can_be_read_in_both_themes(
    name: str, scheme: str, show: Callable[..., Opened]
) -> None:
    opened = show(name, color_scheme=scheme)
    contrasts = opened.page.evaluate(CONTRASTS)
    assert len(contrasts) > 200
    assert [one for one in contrasts if one[0] < 4.5] == []
    page = "getComputedStyle(document.body).backgroundColor"
    light = sum(map(int, opened.page.evaluate(page)[4:-1].split(","))) > 384
    assert light == (scheme == "light")


def test_the_sides_have_their_colours_in_all_charts(show: Callable[..., Opened]) -> None:
    for scheme in ("light", "dark"):
        page = show("different", color_scheme=scheme).page

        def colors(selector: str, what: str, page: Any = page) -> set[str]:
            script = f"all => all.map(one => getComputedStyle(one).{what})"
            return set(page.locator(selector).evaluate_all(script))

        (against,) = colors(".side.against", "color")
        (reference,) = colors(".side.reference", "color")
        assert against != reference
        assert colors('figure [aria-label*=", tensorflow:"]', "fill") == {against}
        assert colors('figure [aria-label*=", torch:"]', "fill") == {reference}
        assert colors('figure [aria-label$="0.1 to 0.2 of the limit"]', "fill") == {against}
        assert against not in colors('figure [aria-label$="10 to 100 of the limit"]', "fill")


def test_the_button_copies_the_command(show: Callable[..., Opened]) -> None:
    page = show("different", permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "diglot check --replay failures/hidden-states-1.json"


def test_where_copying_is_not_allowed_the_command_is_selected(
    show: Callable[..., Opened],
) -> None:
    page = show("different").page
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Selected").wait_for()
    selected = page.evaluate("getSelection().toString()")
    assert selected == "diglot check --replay failures/hidden-states-1.json"


def test_the_button_is_hidden_without_scripts(browser: Any, reports: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(reports["different"].as_uri())
    assert page.locator("button").count() == 1
    assert not page.locator("button").is_visible()
    context.close()


def test_on_paper_it_is_dark_on_light(show: Callable[..., Opened]) -> None:
    page = show("different", color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert not page.locator("button").is_visible()
    ink, paper = (
        page.evaluate(f"getComputedStyle(document.body).{one}")
        for one in ("color", "backgroundColor")
    )
    assert (ink, paper) == ("rgb(0, 0, 0)", "rgb(255, 255, 255)")
