"""Words that are looked up by value, never written out where they are shown: listed here for the catalogue."""

from tuneloop.language import _


def click_words() -> tuple[str, ...]:
    """Click's own, which it looks up itself once ``gettext`` points at our catalogue."""
    return (
        _("Usage:"),
        _("Options"),
        _("Positional arguments"),
        _("Show this message and exit."),
        _("Show the version and exit."),
        _("required"),
        _("default: {default}"),
        _("Missing argument"),
        _("Missing option"),
        _("Missing command."),
        _("No such option {name!r}."),
        _("No such command {name!r}."),
        _("Option {name!r} does not take a value."),
        _("Invalid value: {message}"),
        _("Invalid value for {param_hint}: {message}"),
        _("{value!r} is not a valid {number_type}."),
    )


def run_words() -> tuple[str, ...]:
    """States, phases and units of runs, and the labels of the demo's stages."""
    return (
        _("queued"),
        _("running"),
        _("done"),
        _("failed"),
        _("cancelled"),
        _("preparing"),
        _("measuring"),
        _("reporting"),
        _("files"),
        _("documents"),
        _("requests"),
        _("base model"),
        _("base at equal precision"),
        _("teacher"),
        _("exam"),
    )


def summary_words() -> tuple[str, ...]:
    """Keys of summaries and names of metrics, with spaces for underscores."""
    return (
        _("bytes"),
        _("characters"),
        _("pages"),
        _("rejected"),
        _("chunks"),
        _("tokens"),
        _("longest"),
        _("mean"),
        _("terms"),
        _("embedding"),
        _("dimensions"),
        _("examples"),
        _("pairs"),
        _("shortened"),
        _("grounded"),
        _("turns"),
        _("unanswerable"),
        _("format"),
        _("encoding"),
        _("of"),
        _("part"),
        _("architecture"),
        _("parameters"),
        _("quantization"),
        _("context length"),
        _("licence"),
        _("source"),
        _("base"),
        _("steps"),
        _("held out"),
        _("learned tokens"),
        _("loss"),
        _("validation loss"),
        _("validation loss before"),
        _("tokens per second"),
        _("learned tokens per second"),
        _("peak memory mib"),
        _("errors"),
        _("error rate"),
        _("items"),
        _("seconds"),
        _("requests per second"),
        _("output tokens"),
        _("output tokens per second"),
    )
