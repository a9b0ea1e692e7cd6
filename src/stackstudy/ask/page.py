"""An answer as HTML, and the page of widgets on which questions are asked; for notebooks and for voila."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import ipywidgets as widgets
from jinja2 import Environment

from stackstudy.ask.answer import Asker
from stackstudy.ask.choices import trained
from stackstudy.questions.planted import plant

PLANTED, SEED = 4, 1  # planted examples, of another seed than the corpora of the profiles: no system has seen them
WIDE = widgets.Layout(width="46rem", max_width="100%")


def as_html(answer: Mapping[str, Any]) -> str:
    """Return what `Asker.answer` gave as a piece of HTML."""
    source = files("stackstudy.ask").joinpath("answer.html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(source).render(answer)


class Page(widgets.VBox):
    """A form for one question, and below it the answer; systems are loaded when they are first asked."""

    def __init__(self, asker: Asker, answer: Mapping[str, Any]) -> None:
        self._askers = {tuple(system.choice.name for system in asker.systems): asker}
        self._choices = {choice.name: choice for choice in trained(asker.profile)}
        self._examples = {answer["title"]: answer["body"], **_planted()}
        self.example = widgets.Dropdown(options=list(self._examples), description="Example", layout=WIDE)
        self.title = widgets.Text(answer["title"], description="Title", layout=WIDE)
        self.body = widgets.Textarea(answer["body"], description="Body", rows=8, layout=WIDE)
        self.systems = widgets.SelectMultiple(
            options=list(self._choices), value=next(iter(self._askers)), description="Systems", rows=6, layout=WIDE
        )
        self.button = widgets.Button(description="Ask", button_style="primary", icon="question")
        self.answer = widgets.HTML(as_html(answer))
        self.example.observe(self._take_example, "value")
        self.button.on_click(lambda _: self.ask())
        # An id of its own, so that a notebook that is executed again has the same output.
        children = [self.example, self.title, self.body, self.systems, self.button, self.answer]
        super().__init__(children, model_id="ask-page")

    def ask(self) -> None:
        """Show what the chosen systems say of the question in the form, or what is wrong with it."""
        self.button.disabled = True
        try:
            self.answer.value = as_html(self._asker(self.systems.value).answer(self.title.value, self.body.value))
        except (ValueError, FileNotFoundError) as error:
            self.answer.value = Environment(autoescape=True).from_string("<b>{{ error }}</b>").render(error=error)
        finally:
            self.button.disabled = False

    def _asker(self, names: Sequence[str]) -> Asker:
        if not names:
            raise ValueError("choose a system, or several with Ctrl")
        if names not in self._askers:
            profile = next(iter(self._askers.values())).profile
            self._askers[names] = Asker.load(profile, [self._choices[name] for name in names])
        return self._askers[names]

    def _take_example(self, change: Mapping[str, Any]) -> None:
        self.title.value, self.body.value = change["new"], self._examples[change["new"]]


def _planted() -> dict[str, str]:
    """Return body by title of a few planted questions."""
    return dict(plant(PLANTED, SEED).select("title", "body").iter_rows())
