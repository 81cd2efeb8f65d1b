"""Words that pages look up by what an artifact calls a column, a key or a table: here the catalogue finds them."""

from tuneloop.language import stored

WORDS = (
    # tables and rows
    stored("examples"), stored("chunks"), stored("items"), stored("scores"), stored("trained"), stored("requests"),
    stored("rejected"), stored("documents"), stored("document"), stored("chunk"), stored("example"), stored("item"),
    # kinds that no table is named after
    stored("dataset"), stored("model"), stored("index"), stored("evaluation"), stored("loadtest"), stored("safety"),
    stored("traffic"), stored("filing"),
    # stages
    stored("parse"), stored("chunk"), stored("index"), stored("synthesize"), stored("import"), stored("split"),
    stored("pull"), stored("train"), stored("compress"), stored("evaluate"), stored("loadtest"),
    # who speaks
    stored("system"), stored("user"), stored("assistant"), stored("tool"),
    # columns
    stored("id"), stored("title"), stored("media type"), stored("sha256"), stored("sections"), stored("heading"),
    stored("page"), stored("start"), stored("end"), stored("text"), stored("messages"), stored("origin"),
    stored("answerable"), stored("sources"), stored("quote"), stored("question"), stored("answer"),
    stored("reference"), stored("against"), stored("cited"), stored("citations"), stored("sentence"),
    stored("supported"), stored("problem"), stored("number"), stored("confidence"), stored("accepted"),
    stored("found"), stored("said unanswerable"), stored("failed"), stored("error"), stored("row"),
    stored("rank of the right page"),
    stored("where"), stored("reason"), stored("part"), stored("learned tokens"), stored("metric"), stored("value"),
    stored("scheduled"), stored("started"), stored("prompt"), stored("counted"), stored("finish reason"),
    stored("token times"), stored("role"), stored("content"), stored("state"), stored("kind"), stored("level"),
    stored("access"), stored("arguments"), stored("box"), stored("choices"), stored("chosen"), stored("cut"),
    stored("end unknown"), stored("extra"), stored("facts"), stored("fetched"), stored("labels"),
    stored("language"), stored("learned"), stored("metadata"), stored("negatives"), stored("parent"),
    stored("parts"), stored("positives"), stored("query"), stored("rank"), stored("reasoning"), stored("shape"),
    stored("source"), stored("tags"), stored("tokens"), stored("tool call id"), stored("tool calls"),
    stored("tools"), stored("type"), stored("url"), stored("version"), stored("weight"),
    # metrics and what a summary holds
    stored("exact match"), stored("answer tokens"), stored("ROUGE-L recall"), stored("corpus BLEU-4"),
    stored("token F1"), stored("hit@5 interval"), stored("supported share"), stored("supported share interval"),
    stored("from the right page"), stored("answered when answerable"), stored("refused when unanswerable"),
    stored("unanswerable items"), stored("sentences"), stored("accuracy"), stored("retrieval"), stored("abstention"),
    stored("errors"), stored("answers per second"), stored("against answers per second"),
    stored("answer answers per second"), stored("time to first token"), stored("inter token latency"),
    stored("time per output token"), stored("latency"), stored("client delay"), stored("p50"), stored("p90"),
    stored("p95"), stored("p99"), stored("max"), stored("min"), stored("count"), stored("load"), stored("sent"),
    stored("ok"), stored("in flight"), stored("most in flight"), stored("output tokens"), stored("prompt tokens"),
    stored("output tokens per second"), stored("requests per second"), stored("error rate"), stored("goodput"),
    stored("objective"), stored("share"), stored("tokens counted by"), stored("target"), stored("lower bounds"),
    stored("at least"), stored("name"), stored("format"), stored("base"), stored("architecture"),
    stored("parameters"), stored("quantization"), stored("stop"), stored("thinking"), stored("context length"),
    stored("licence"), stored("languages"), stored("held out"), stored("loss"), stored("validation loss"),
    stored("validation loss before"), stored("of"), stored("types"), stored("pages"), stored("characters"),
    stored("longest"), stored("dimensions"), stored("answerability"), stored("bytes"), stored("groups"),
    stored("square"), stored("numbers"), stored("time to first token objective"), stored("answered"), stored("known"),
    stored("lost"), stored("times"), stored("field"), stored("mark"), stored("cited answers per second"),
    stored("against cited answers per second"), stored("against said unanswerable"), stored("against citations"),
    stored("server"),
    # correctness
    stored("correctness"), stored("cells"), stored("differences"), stored("difference"), stored("refusals"),
    stored("refused"), stored("right"), stored("wrong"), stored("problems"), stored("clusters"), stored("interval"),
    stored("refused interval"), stored("answered interval"), stored("unanswerable"), stored("unknown"),
    stored("marked"), stored("against cited"), stored("with documents"),
    stored("closed book"), stored("documents for model"), stored("documents for against"),
    stored("model over no model"), stored("verdicts"),
)  # fmt: skip
