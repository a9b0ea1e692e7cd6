"""Run folders, profiles and the runner: the one package that all others may use."""

from stackstudy.runs.folder import RunFolder, start

__all__ = ["RunFolder", "start"]
