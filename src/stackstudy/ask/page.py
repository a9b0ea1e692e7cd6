"""An answer as HTML, and the page of widgets on which questions are asked; for notebooks and for voila."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from jinja2 import Environment

from stackstudy.ask.choices import Choice, chosen, trained
from stackstudy.questions.planted import plant

if TYPE_CHECKING:
    from stackstudy.ask.answer import Asker  # it takes seconds to import: the form is there before

PLANTED, SEED = 4, 1  # planted examples, of another seed than the corpora of the profiles: no system has seen them
WIDE = widgets.Layout(width="46rem", max_width="100%")


def as_html(answer: Mapping[str, Any]) -> str:
    """Return what `Asker.answer` gave as a piece of HTML."""
    source = files("stackstudy.ask").joinpath("answer.html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(source).render(answer)


class Page(widgets.VBox):
    """A form for one question, and below it the answer; the systems are loaded while the question is typed."""

    def __init__(
        self, profile: str, systems: Sequence[str] = (), title: str = "", body: str = "", asker: "Asker | None" = None
    ) -> None:
        """Choose `systems` as `choices.chosen` does; `asker` has them already loaded. Errors are those of `chosen`."""
        names = tuple(choice.name for choice in chosen(profile, systems))
        self._profile, self._choices = profile, {choice.name: choice for choice in trained(profile)}
        self._loader, self._askers = ThreadPoolExecutor(1), {names: _done(asker)} if asker else {}
        self._examples = ({title: body} if title else {}) | _planted()
        first = next(iter(self._examples))
        self.example = widgets.Dropdown(options=list(self._examples), description="Example", layout=WIDE)
        self.title = widgets.Text(first, description="Title", layout=WIDE)
        self.body = widgets.Textarea(self._examples[first], description="Body", rows=8, layout=WIDE)
        self.systems = widgets.SelectMultiple(
            options=list(self._choices), value=names, description="Systems", rows=6, layout=WIDE
        )
        self.button = widgets.Button(description="Ask", button_style="primary")
        self.answer = widgets.HTML()
        self.example.observe(self._take_example, "value")
        self.button.on_click(lambda _: self.ask())
        # An id of its own, so that a notebook that is executed again has the same output.
        children = [self.example, self.title, self.body, self.systems, self.button, self.answer]
        super().__init__(children, model_id="ask-page")
        self._asker(names)

    def ask(self) -> None:
        """Show what the chosen systems say of the question in the form, or what is wrong with it."""
        self.button.disabled = True
        try:
            loading = self._asker(self.systems.value)
            if not loading.done():
                self.answer.value = "Loading the systems …"
            self.answer.value = as_html(loading.result().answer(self.title.value, self.body.value))
        except (ValueError, FileNotFoundError) as error:
            self.answer.value = Environment(autoescape=True).from_string("<b>{{ error }}</b>").render(error=error)
        finally:
            self.button.disabled = False

    def _asker(self, names: Sequence[str]) -> "Future[Asker]":
        """Return the systems of these names, which may still be loading."""
        if not names:
            raise ValueError("choose a system, or several with Ctrl")
        if names not in self._askers:
            self._askers[names] = self._loader.submit(_load, self._profile, [self._choices[name] for name in names])
        return self._askers[names]

    def _take_example(self, change: Mapping[str, Any]) -> None:
        self.title.value, self.body.value = change["new"], self._examples[change["new"]]


def _load(profile: str, choices: Sequence[Choice]) -> "Asker":
    from stackstudy.ask.answer import Asker

    return Asker.load(profile, choices)


def _done(asker: "Asker") -> "Future[Asker]":
    future = Future()
    future.set_result(asker)
    return future


def _planted() -> dict[str, str]:
    """Return body by title of a few planted questions."""
    return dict(plant(PLANTED, SEED).select("title", "body").iter_rows())
