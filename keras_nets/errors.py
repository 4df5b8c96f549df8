"""The errors that a user of the networks can meet."""


class WeightsError(ValueError):
    """A weights file cannot be read, does not fit, or cannot be fetched.

    The message is one line: what was asked, what is true, what to do next.
    """


class SourceError(ValueError):
    """The value of `--model` does not lead to a Keras model.

    The message is one line: what was asked, what is true, what to do next.
    """
