"""Run the experiments of a profile: in order, only what is missing or stale, each in a process of its own."""

import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from stackstudy.paths import project_root, runs_dir
from stackstudy.runs.display import Result, View
from stackstudy.runs.environment import available_cores
from stackstudy.runs.executor import Executor, Job, LocalExecutor, Outcome, Place
from stackstudy.runs.folder import last_lines, mark_done, mark_failed, missing_products, save_parameters
from stackstudy.runs.key import Key, Modules, finished_key, key_of, keys_of, reasons_to_run
from stackstudy.runs.lock import locked
from stackstudy.runs.notebook import imports_of
from stackstudy.runs.pool import this_machine
from stackstudy.runs.profile import Experiment, Profile, load_profile
from stackstudy.runs.status import running_rows
from stackstudy.runs.worker import NOT_STARTED

# Left by an attempt that did not end; checkpoints and shards stay, to go on from.
NOT_TO_RESUME = ("DONE", "FAILED", "metrics.json", "environment.json", "progress.jsonl", "notebook.ipynb")
# Left by trainings. Each checks by itself whether it is of the same data, settings and code, so that another figure or
# another metric is no reason to train again.
CHECKPOINTS, MODEL = "checkpoints", "model"
INTERRUPTED = 130  # exit code of a program ended by Ctrl-C
ATTEMPTS = 3  # at a job whose kernel does not start, or whose machine goes away; no other failure is tried again
FULL = 2**20  # bytes free on a disk that is as good as full


def run(
    profile: str,
    experiments: Sequence[str] | None = None,
    data: Path | None = None,
    *,
    why: bool = False,
    dry_run: bool = False,
    executor: str = "local",
    console: Console | None = None,
) -> int:
    """Bring a profile up to date (or some of its experiments, with what they need); return the exit code.

    `data` is where the questions come from. `why` tells the reason of each run, `dry_run` only says what would run;
    `executor` is "local" or "ray".
    0: all is up to date; 1: something failed, the rest that could run did; 130: interrupted. ValueError: another
    runner works on the profile, or an experiment takes more than there is.
    """
    resolved = load_profile(profile, data)
    wanted = _with_upstream(resolved, experiments or list(resolved.experiments))
    view = View(console or Console())
    keys = keys_of(wanted)
    plan = {name: reasons for name in wanted if (reasons := reasons_to_run(wanted[name].folder, keys[name]))}
    if dry_run or not plan:
        for name, reasons in plan.items():
            view.say(f"would run {name}" + _because(reasons, why))
        view.say(f"profile {profile}: {len(wanted) - len(plan)} of {len(wanted)} experiments are up to date")
        return 0
    try:
        with locked(profile) as record, _executor(executor, resolved) as place, view.watching():
            _check_room(resolved, plan, place)
            results = _Batch(resolved, wanted, place, view, why=why).work(record)
    except KeyboardInterrupt:
        view.say("interrupted: what is done stays, the next call goes on from there")
        return INTERRUPTED
    view.summary([results[name] for name in wanted])
    return 0 if all(result.good for result in results.values()) else 1


def run_quietly(profile: str, experiments: Sequence[str]) -> int:
    """Run what a notebook opened by hand needs: visible to someone who watches, and without a trace afterwards."""
    from IPython.display import clear_output

    from stackstudy.runs.progress import watched

    code = run(profile, experiments, console=Console(force_jupyter=False, force_terminal=False, quiet=not watched()))
    if code == 0 and watched():
        clear_output()
    return code


def _executor(kind: str, profile: Profile) -> Executor:
    resources = profile.resources
    if kind == "ray":
        from stackstudy.runs.ray_executor import RayExecutor

        return RayExecutor(resources.slots)
    return LocalExecutor(this_machine(resources.slots, resources.gpus, resources.memory_gb))


def _check_room(profile: Profile, plan: Iterable[str], executor: Executor) -> None:
    for name in plan:
        if lack := executor.lacks(profile.experiments[name].demand):
            raise ValueError(f"profile {profile.name}, experiment {name}: {lack}")


class _Batch:
    """The experiments of one call: which wait, which are over and how."""

    def __init__(
        self, profile: Profile, wanted: dict[str, Experiment], executor: Executor, view: View, *, why: bool
    ) -> None:
        self.profile, self.wanted, self.executor, self.view, self.why = profile, wanted, executor, view, why
        self.waiting = list(wanted)
        self.results: dict[str, Result] = {}
        self.keys: dict[str, Key] = {}
        self.attempts: Counter[str] = Counter()

    def work(self, record: Callable[[Mapping[str, Place]], None]) -> dict[str, Result]:
        """Run everything; return the results by experiment."""
        while self.waiting or self.executor.running:
            self._start_ready()
            record(self.executor.running)
            for outcome in self.executor.wait(0.5):
                self._settle(outcome)
            self.view.update(running_rows(runs_dir(self.profile.name), self.executor.running))
        return self.results

    def _start_ready(self) -> None:
        gpus_awaited = False
        for name in list(self.waiting):
            experiment = self.wanted[name]
            before = [self.results.get(other) for other in experiment.upstream]
            if broken := [result.name for result in before if result and not result.good]:
                self.waiting.remove(name)
                self.results[name] = Result(name, "skipped", reason=f"blocked by {', '.join(broken)}", good=False)
            elif all(before) and not (gpus_awaited and experiment.demand.gpus):
                if self.executor.has_room(experiment.demand):
                    self.waiting.remove(name)
                    self._start(experiment)
                elif experiment.demand.gpus:
                    gpus_awaited = True  # only what needs no GPU overtakes the next in line for one
                else:
                    return  # and nobody else anybody

    def _start(self, experiment: Experiment) -> None:
        # The key is taken now and not when the batch began: hours may lie between, and someone may have edited.
        upstream = {name: finished_key(self.wanted[name].folder) or "" for name in experiment.upstream}
        key = key_of(experiment, upstream, Modules())
        reasons = reasons_to_run(experiment.folder, key)
        if not reasons:
            self.results[experiment.name] = Result(experiment.name, "skipped", reason="up to date")
            return
        self.keys[experiment.name] = key
        self.attempts[experiment.name] += 1
        try:
            _prepare(experiment, key)
            self.executor.submit(_job(experiment, self.profile))
        except OSError as error:  # a full disk, a folder that may not be written
            self._fail(experiment, str(error))
        else:
            self.view.say(f"-> {experiment.name}" + _because(reasons, self.why))

    def _settle(self, outcome: Outcome) -> None:
        experiment = self.wanted[outcome.name]
        again = outcome.lost or outcome.returncode == NOT_STARTED
        error = _error(outcome, experiment)
        if again and self.attempts[outcome.name] < ATTEMPTS:
            self.waiting.insert(0, outcome.name)
            self.view.say(f"~~ {outcome.name}: {error}; trying again")
        elif error:
            self._fail(experiment, error, outcome.seconds)
        else:
            self._succeed(experiment, outcome.seconds)

    def _succeed(self, experiment: Experiment, seconds: float) -> None:
        try:
            mark_done(experiment.folder, self.keys[experiment.name].value)
        except OSError as error:
            self._fail(experiment, str(error), seconds)
        else:
            self._end(Result(experiment.name, "done", seconds))

    def _fail(self, experiment: Experiment, error: str, seconds: float = 0.0) -> None:
        with suppress(OSError):  # without DONE it counts as missing then, which is as true
            mark_failed(experiment.folder, error)
        self._end(Result(experiment.name, "failed", seconds, error, good=False, log=experiment.folder / "log.txt"))

    def _end(self, result: Result) -> None:
        self.results[result.name] = result
        self.view.ended(result, len(self.results), len(self.wanted))


def _with_upstream(profile: Profile, names: Iterable[str]) -> dict[str, Experiment]:
    """Return the named experiments and all that they need, in the order of the profile."""
    known = profile.experiments
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"profile {profile.name} has no experiment {', '.join(unknown)}; it has {', '.join(known)}")
    needed, waiting = set(), list(names)
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += known[name].upstream
    return {name: experiment for name, experiment in known.items() if name in needed}


def _prepare(experiment: Experiment, key: Key) -> None:
    """Make the run folder ready: with what a run of the same key can go on from, or with its trainings alone."""
    folder = experiment.folder
    old = Key.load(folder)
    if old is not None and old.value == key.value:
        for name in NOT_TO_RESUME:
            (folder / name).unlink(missing_ok=True)
        for scratch in [*folder.rglob(".*.*")]:  # what `replacing` leaves when it is killed
            shutil.rmtree(scratch, ignore_errors=True)
    elif (folder / CHECKPOINTS).exists():
        for path in folder.iterdir():
            if path.name not in (CHECKPOINTS, MODEL):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
    save_parameters(experiment.parameters, folder)
    key.save(folder)


def _job(experiment: Experiment, profile: Profile) -> Job:
    folder = experiment.folder
    environment = {"STACKSTUDY_ROOT": str(project_root()), "STACKSTUDY_RUN_DIR": str(folder)}
    return Job(
        name=experiment.name,
        module="stackstudy.runs.worker",
        arguments=[str(experiment.notebook), str(folder)],
        environment=environment,
        threads=_threads(experiment.demand.slots, profile.resources.slots),
        log=folder / "log.txt",
        timeout_minutes=experiment.timeout_minutes,
        demand=experiment.demand,
        imports=imports_of(experiment.notebook),
    )


def _threads(slots: int, of: int) -> dict[str, str]:
    """Return the variables that give a job its share of the cores; with all slots the libraries decide."""
    if slots == of:
        return {}
    share = str(max(1, available_cores() * slots // of))
    libraries = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "POLARS_MAX_THREADS",
        "RAYON_NUM_THREADS",
    )
    return dict.fromkeys(libraries, share)


def _error(outcome: Outcome, experiment: Experiment) -> str | None:
    """Return in one line why a job did not end well, None when it did."""
    if outcome.stopped:
        return outcome.stopped
    if outcome.returncode < 0:
        name = signal.Signals(-outcome.returncode).name
        return f"ended by {name}" + (", often a lack of memory" if name == "SIGKILL" else "")
    if outcome.returncode > 0:
        last = last_lines(experiment.folder / "log.txt", 1) or [f"exit code {outcome.returncode}"]
        full = shutil.disk_usage(experiment.folder).free < FULL
        return last[0].strip() + (" (the disk is full)" if full else "")
    missing = missing_products(experiment.folder, experiment.parameters)
    return f"ended without its products {', '.join(missing)}" if missing else None


def _because(reasons: list[str], why: bool) -> str:
    return f": {'; '.join(reasons)}" if why else ""
