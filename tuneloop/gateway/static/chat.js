// The chat page: asks /v1/chat/completions, draws the stream, opens cited passages, sends feedback.
"use strict";

const settings = JSON.parse(document.getElementById("settings").textContent);
const words = settings.words;
const find = (id) => document.getElementById(id);
const fill = (text, value) => text.replace("{}", value);

let conversation = [];  // what was said, as the API wants it
let running = null;     // AbortController of the answer that is being written

// -- key -------------------------------------------------------------------------------------------------------

const KEY = "tuneloop-key";
const savedKey = () => sessionStorage.getItem(KEY) || localStorage.getItem(KEY) || "";

function headers() {
  const key = savedKey();
  return { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
}

function askForKey(error = "") {
  find("key-error").textContent = error;
  if (!find("key-dialog").open) find("key-dialog").showModal();
}

find("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = find("key").value.trim();
  if (!/^[!-~]+$/.test(key)) return askForKey(words.key_wrong);  // no header could carry it
  const answer = await fetch("/v1/models", { headers: { Authorization: `Bearer ${key}` } }).catch(() => null);
  if (!answer) return askForKey(words.offline);
  if (!answer.ok) return askForKey(words.key_wrong);
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  (find("keep-key").checked ? localStorage : sessionStorage).setItem(KEY, key);
  find("key").value = "";
  find("key-dialog").close();
  find("question").focus();
});

// -- answers ---------------------------------------------------------------------------------------------------

class Answer {
  constructor(question) {
    this.question = question;
    this.text = "";
    this.annotations = [];
    this.facts = {};
    this.id = "";
    this.node = element("article", "message assistant");
    this.status = element("p", "status", words.thinking);
    this.body = element("div", "prose");
    this.foot = element("div", "foot");
    this.node.append(this.status, this.body, this.foot);
  }

  take(event) {
    this.id = event.id || this.id;
    if (event.tuneloop) Object.assign(this.facts, event.tuneloop);
    const delta = event.choices?.[0]?.delta ?? {};
    if (delta.content) this.text += delta.content;
    if (delta.annotations) this.annotations.push(...delta.annotations);
    this.later();
  }

  later() {  // draw once a frame, however fast the text comes
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  draw() {
    const scroll = find("scroll");
    const following = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    this.body.replaceChildren(markdown(prepare(this.text, this.annotations), (n) => this.mark(this.annotations[n])));
    if (this.text) this.status.textContent = "";
    if (following) scroll.scrollTop = scroll.scrollHeight;
  }

  // The marker of a citation: opens its passage; where there is none, says that the words were not found, or not checked.
  mark(citation) {
    const doubtful = citation.supported === false, unchecked = citation.problem === "unchecked";
    const mark = unchecked ? words.unchecked_mark : words.unsupported_mark;
    const reason = unchecked ? words.unchecked : words.unsupported;
    if (!citation.document) {
      const label = element("span", "cite doubtful", mark);
      label.title = reason;
      return label;
    }
    const label = doubtful ? mark : String(citation.index);
    const button = element("button", doubtful ? "cite doubtful" : "cite", label);
    button.type = "button";
    button.title = `${where(citation)}\n${doubtful ? reason : words.open}`;
    button.addEventListener("click", () => openPassage(citation, button));
    return button;
  }

  finish(note = "") {
    if (this.waiting) cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    this.draw();
    this.status.remove();
    this.foot.replaceChildren();
    this.node.classList.toggle("unanswered", this.facts.answerable === false);
    const doubtful = this.annotations.filter((a) => a.supported === false);
    const unchecked = doubtful.filter((a) => a.problem === "unchecked").length;
    for (const [count, one, some] of [
      [doubtful.length - unchecked, words.one_unsupported, words.some_unsupported],
      [unchecked, words.one_unchecked, words.some_unchecked],
    ]) if (count) this.foot.append(element("p", "note doubtful", count === 1 ? one : fill(some, count)));
    if (note) this.foot.append(element("p", "note", note));
    const cited = new Map();  // one line for a passage, however often it is cited
    for (const a of this.annotations) if (a.supported !== false && !cited.has(a.index)) cited.set(a.index, a);
    if (cited.size) {
      const list = element("ul", "sources");
      for (const citation of [...cited.values()].sort((a, b) => a.index - b.index)) {
        const item = element("li");
        item.append(this.mark(citation), element("span", "", where(citation)));
        list.append(item);
      }
      const box = element("details", "source-box");
      box.open = true;
      box.append(element("summary", "", words.sources), list);
      this.foot.append(box);
    }
    if (this.text) this.foot.append(this.tools());
  }

  tools() {
    const row = element("div", "tools");
    const good = tool("M7 11v9H4v-9zm0 0 4-7c1.5 0 2.3 1 2 2.5L12.3 10H18a2 2 0 0 1 2 2.3l-1 6A2 2 0 0 1 17 20H7", words.good);
    const bad = tool("M17 13V4h3v9zm0 0-4 7c-1.500 0-2.300-1-2-2.500L11.700 14H6a2 2 0 0 1-2-2.300l1-6A2 2 0 0 1 7 4h10", words.bad);
    const copy = tool("M9 9h10v11H9zM5 15V4h10", words.copy);
    good.addEventListener("click", () => { mark(good, bad); sendFeedback(this.id, 1, {}, row); });
    bad.addEventListener("click", () => { mark(bad, good); this.complain(row); });
    copy.addEventListener("click", async () => {
      const copied = await copyText(this.text);
      copy.focus();
      note(row, copied ? words.copied : words.not_copied);
    });
    for (const button of [good, bad]) button.setAttribute("aria-pressed", "false");
    row.append(good, bad, copy);
    return row;
  }

  complain(row) {
    this.foot.querySelector(".complaint")?.remove();
    const form = element("form", "complaint");
    const comment = element("textarea"), correction = element("textarea");
    comment.rows = 2;
    correction.rows = 3;
    const send = element("button", "solid", words.send_feedback), cancel = element("button", "plain", words.cancel);
    cancel.type = "button";
    cancel.addEventListener("click", () => form.remove());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.remove();
      sendFeedback(this.id, -1, { comment: comment.value.trim(), correction: correction.value.trim() }, row);
    });
    const buttons = element("div", "row");
    buttons.append(send, cancel);
    form.append(labelled(words.what_wrong, comment), labelled(words.right_answer, correction), buttons);
    row.after(form);
    form.scrollIntoView({ block: "nearest" });
    comment.focus();
  }
}

function tool(path, label) {
  const button = element("button", "plain icon");
  button.type = "button";
  button.title = label;
  button.setAttribute("aria-label", label);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of [["viewBox", "0 0 24 24"], ["width", "17"], ["height", "17"], ["aria-hidden", "true"]]) {
    svg.setAttribute(name, value);
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  button.append(svg);
  return button;
}

function mark(chosen, other) {
  for (const button of [chosen, other]) {
    button.classList.toggle("chosen", button === chosen);
    button.setAttribute("aria-pressed", String(button === chosen));
  }
}

function labelled(text, field) {
  const label = element("label", "", text);
  label.append(field);
  return label;
}

// Whether the text is in the clipboard. Over plain http a browser has no clipboard but that of the copy command.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const box = element("textarea", "aside");
    box.value = text;
    document.body.append(box);
    box.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      box.remove();
    }
  }
}

function note(row, text) {
  row.querySelector(".said")?.remove();
  row.append(element("span", "said quiet", text));
}

async function sendFeedback(id, rating, texts, row) {
  const body = JSON.stringify({ request: id, rating, ...texts });
  const answer = await fetch("/v1/feedback", { method: "POST", headers: headers(), body }).catch(() => null);
  note(row, answer?.ok ? words.thanks : fill(words.failed, answer ? await errorText(answer) : words.offline));
}

function where(citation) {
  const parts = [citation.name || citation.document, ...(citation.heading || [])];
  if (citation.page) parts.push(fill(words.page, citation.page));
  return parts.join(" › ");
}

async function errorText(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `HTTP ${answer.status}`;
  }
}

// The events of a stream of server-sent events.
async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const lines = pending.split("\n");
    pending = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data === "[DONE]") return;
      if (data) yield JSON.parse(data);
    }
  }
}

async function ask(question) {
  find("welcome").hidden = true;
  const said = element("article", "message user");
  said.append(element("div", "bubble", question));
  const answer = new Answer(question);
  find("messages").append(said, answer.node);
  find("scroll").scrollTop = find("scroll").scrollHeight;
  conversation.push({ role: "user", content: question });
  busy(true);
  running = new AbortController();
  let problem = "";
  try {
    const body = JSON.stringify({ model: find("model").value, messages: conversation, stream: true });
    const options = { method: "POST", headers: headers(), body, signal: running.signal };
    const response = await fetch("/v1/chat/completions", options);
    if (response.status === 401) { askForKey(savedKey() ? words.key_wrong : ""); }
    if (!response.ok) throw new Error(await errorText(response));
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      answer.take(event);
    }
  } catch (error) {
    if (error.name === "AbortError") problem = words.stopped;
    else problem = fill(words.failed, error instanceof TypeError ? words.offline : error.message);
  }
  running = null;
  busy(false);
  answer.finish(problem);
  if (answer.text) conversation.push({ role: "assistant", content: withoutMarkers(answer) });
  else {
    conversation.pop();
    const again = element("button", "plain boxed", words.retry);
    again.addEventListener("click", () => { said.remove(); answer.node.remove(); ask(question); });
    answer.foot.append(again);
  }
}

// The model sees its earlier answers as it wrote them: markers were added by the gateway.
function withoutMarkers(answer) {
  return prepare(answer.text, answer.annotations).replace(PRIVATE, "");
}

function busy(now) {
  find("send").hidden = now;
  find("stop").hidden = !now;
}

// -- passage ---------------------------------------------------------------------------------------------------

let opener = null;

async function openPassage(citation, button) {
  for (const other of document.querySelectorAll(".cite.current")) other.classList.remove("current");
  button.classList.add("current");
  opener = button;
  const crumbs = [...(citation.heading || [])];
  if (citation.page) crumbs.push(fill(words.page, citation.page));
  find("passage-name").textContent = citation.name || citation.document;
  find("passage-where").textContent = crumbs.join(" › ");
  find("passage-verdict").textContent = citation.supported === false ? words.unsupported : words.same_words;
  find("passage-verdict").classList.toggle("same", citation.supported !== false);
  find("side").hidden = false;
  const text = find("passage-text");
  text.replaceChildren(element("mark", "", citation.quote));
  text.focus({ preventScroll: true });
  const query = new URLSearchParams({
    model: find("model").value, document: citation.document, start: citation.start, end: citation.end,
  });
  const answer = await fetch(`/passage?${query}`, { headers: headers() }).catch(() => null);
  if (opener !== button) return;
  if (!answer?.ok) {
    text.append(element("p", "note", fill(words.no_passage, answer ? await errorText(answer) : words.offline)));
    return;
  }
  const passage = await answer.json();
  const quote = element("mark", "", passage.quote);
  text.replaceChildren(passage.before, quote, passage.after);
  text.scrollTop = Math.max(0, quote.offsetTop - text.offsetTop - text.clientHeight / 4);
}

function closePassage() {
  find("side").hidden = true;
  opener?.classList.remove("current");
  opener?.focus();
  opener = null;
}

// -- controls --------------------------------------------------------------------------------------------------

for (const model of settings.models) {
  const option = element("option", "", model.name);
  option.value = model.name;
  find("model").append(option);
}

function showWelcome() {
  const model = settings.models.find((m) => m.name === find("model").value);
  document.body.dataset.knowledge = model?.knowledge ? "yes" : "no";
}

function fitQuestion() {
  const box = find("question");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 220)}px`;
}

find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = find("question").value.trim();
  if (!question || running) return;
  if (settings.auth && !savedKey()) return askForKey();
  find("question").value = "";
  fitQuestion();
  ask(question);
});
find("question").addEventListener("input", fitQuestion);
find("question").addEventListener("keydown", (event) => {
  const composing = event.isComposing || event.keyCode === 229;  // Enter chooses a Chinese word; 229: in Safari
  if (event.key === "Enter" && !event.shiftKey && !composing) {
    event.preventDefault();
    find("composer").requestSubmit();
  }
});
find("stop").addEventListener("click", () => running?.abort());
find("fresh").addEventListener("click", () => {
  running?.abort();
  conversation = [];
  find("messages").replaceChildren();
  find("welcome").hidden = false;
  if (!find("side").hidden) closePassage();
  find("question").focus();
});
find("model").addEventListener("change", () => { showWelcome(); find("fresh").click(); });
find("side-close").addEventListener("click", closePassage);
find("change-key").addEventListener("click", () => askForKey());
find("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("tuneloop-theme", document.documentElement.dataset.theme);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !find("side").hidden && !find("key-dialog").open) closePassage();
});

find("change-key").hidden = !settings.auth;
showWelcome();
if (settings.auth && !savedKey()) askForKey();
