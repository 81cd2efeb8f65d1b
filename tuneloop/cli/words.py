"""Words that are looked up by value, never written out where they are shown: listed here for the catalogue."""

import re

import click

from tuneloop.language import _, current_language, shown

NUMBER = re.compile(r"(?<=合法的) (integer|float)(?: range)?")  # click's names of its types
SUGGESTION = re.compile(r"\(?Did you mean [^?]*\?\)?")


def told_by_click(error: click.ClickException) -> str:
    """A mistake that click found, in the user's language, with the parts that click does not look up by itself."""
    said = error.format_message().replace(error.message, shown(error.message)) if error.message else ""
    text = SUGGESTION.sub(lambda found: shown(found[0]), shown(said or error.format_message()))
    if current_language() == "zh":
        text = NUMBER.sub(lambda found: _(found[1]), text)
        text = re.sub(r"。 ", "。", re.sub(r"(?<![？?.。])[.。]*$", "。", text)).replace("', '", "'、'")
    return text


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
        _("{value} is not in the range {range}."),
        _("Missing parameter"),
        _("Missing parameter: {param_name}"),
        _("Argument {name!r} takes {nargs} values."),
        _("(dynamic)"),
        _("integer"),
        _("float"),
        # those that click looks up as singular and plural, which Chinese does not have: ``shown`` finds them afterwards
        _("Got unexpected extra argument ({args})"),
        _("Got unexpected extra arguments ({args})"),
        _("Did you mean {possibility}?"),
        _("(Did you mean one of: {possibilities}?)"),
        _("Option {name!r} requires an argument."),
        _("Option {name!r} requires {nargs} arguments."),
        _("{value!r} is not {choice}."),
        _("{value!r} is not one of {choices}."),
    )


def rejected_words() -> tuple[str, ...]:
    """The columns of what was set aside."""
    return _("where"), _("reason"), _("row")


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
        _("retriever"),
        _("reranker"),
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
        _("not reached"),
        _("learned tokens"),
        _("loss"),
        _("validation loss"),
        _("validation loss before"),
        _("tokens per second"),
        _("learned tokens per second"),
        _("peak memory mib"),
        _("answer tokens"),
        _("none"),
        _("errors"),
        _("error rate"),
        _("items"),
        _("seconds"),
        _("requests per second"),
        _("output tokens"),
        _("output tokens per second"),
        _("name"),
        _("model name"),
        _("target"),
        _("load"),
        _("columns"),
        _("types"),
        _("languages"),
        _("reasons"),
        _("merged"),
        _("template sha256"),
        _("check"),
        _("places"),
        _("same token"),
        _("divergence"),
        _("largest divergence"),
        _("metrics"),
        _("retrieval"),
        _("citations"),
        _("abstention"),
        _("warnings"),
        _("goodput"),
        _("client delay"),
        _("quantile"),
        _("tokens counted by"),
        _("latency"),
        _("latency p50"),
        _("latency p95"),
        _("latency p99"),
        _("time to first token"),
        _("time to first token p50"),
        _("time to first token p95"),
        _("time to first token p99"),
        _("time per output token"),
        _("inter token latency"),
        _("in flight"),
        _("kept share"),
        _("predicted memory mib"),
        _("teacher tokens per second"),
        _("learning rate"),
        _("grad norm"),
    )
