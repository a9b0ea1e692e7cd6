"""The site of the smoke profile as a reader uses it."""

import pytest

from stackstudy.paths import project_root

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site() -> str:
    first = project_root() / "report" / "build" / "site" / "index.html"
    assert first.exists(), "no site here: make site PROFILE=smoke"
    return first.parent.as_uri()


def test_sorting_searching_opening_an_experiment_and_switching_the_theme(page, site, shots):
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(f"{site}/index.html")
    page.click("#list th:has-text('Numbers') button")
    numbers = [int(text) for text in page.locator("#list tbody td:last-child").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert page.get_attribute("#list th:has-text('Numbers')", "aria-sort") == "descending"
    page.fill("#search", "focal-smoothed")
    assert page.inner_text("#hits").endswith(f"of {len(numbers)}")
    page.screenshot(path=shots / "site-index.png")
    page.fill("#search", "")
    page.click("#list a:text-is('13-tags-neural')")
    assert page.locator(".curves svg").count() >= 3
    before = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
    page.screenshot(path=shots / "site-experiment.png")
    page.goto(f"{site}/compare.html?a=smoke/13-tags-neural&b=smoke/13-tags-neural-dsf-crossattn")
    assert page.locator("#compared .curves path.b").count() >= 3
    page.screenshot(path=shots / "site-compare.png")
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_a_figure_is_enlarged_and_closed_by_the_keyboard(page, site):
    page.goto(f"{site}/smoke/13-tags-neural.html")
    page.focus("a.enlarge >> nth=0")
    page.keyboard.press("Enter")
    assert page.is_visible("#large img")
    page.keyboard.press("Escape")
    assert not page.is_visible("#large img")


def test_nothing_is_wider_than_a_phone(page, site):
    page.set_viewport_size({"width": 390, "height": 800})
    for name in ("index.html", "smoke/results.html", "smoke/13-tags-neural.html", "notebooks/13-tags-neural.html"):
        page.goto(f"{site}/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_every_picture_is_described_in_words(page, site):
    for name in ("smoke/paper.html", "smoke/results.html", "smoke/13-tags-neural.html", "notebooks/01-questions.html"):
        page.goto(f"{site}/{name}")
        texts = page.locator("img").evaluate_all("pictures => pictures.map(each => each.getAttribute('alt'))")
        assert texts, name
        assert all(text and " " in text and not text.endswith((".png", ".svg")) for text in texts), name
