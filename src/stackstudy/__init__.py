"""stackstudy: predict the tags and the score of Stack Exchange questions, under one honest protocol."""

__version__ = "0.1.0"
