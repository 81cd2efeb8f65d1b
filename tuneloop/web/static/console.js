"use strict";
// All works without this script, except that a page does not renew itself. Nothing here asks a form by the name of a
// field: a field may be called like what a form has itself.

// What is typed into a form is kept for this tab until it was sent, so that a reload or a new login loses nothing.
const form = document.querySelector("form[data-draft]");
const draft = form && `draft ${location.pathname}`;
function typed() {
  return [...new FormData(form)];
}
function restore(kept) {
  const values = new Map();
  for (const [name, value] of kept) values.set(name, [...(values.get(name) || []), value]);
  for (const field of form.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const given = values.get(field.name) || [];
    if (field.type === "checkbox") field.checked = given.includes(field.value);
    else if (given.length) field.value = given.at(-1);
  }
}
// Of what can be chosen, the fields of the chosen one are shown. Without this script all are, each under its name.
function showParts() {
  for (const choice of form.querySelectorAll("select[data-parts]")) {
    for (const part of form.querySelectorAll(`[data-part-of="${CSS.escape(choice.id)}"]`)) {
      part.hidden = part.getAttribute("data-part") !== choice.value;
    }
  }
}
if (form) {
  let kept = null;
  try { kept = JSON.parse(sessionStorage.getItem(draft)); } catch { /* damaged, or kept by nobody */ }
  if (kept && !form.getAttribute("data-sent") && !location.search) restore(kept);
  showParts();
  form.addEventListener("change", showParts);
  form.addEventListener("input", () => sessionStorage.setItem(draft, JSON.stringify(typed())));
  document.querySelector("[data-forget]").addEventListener("click", () => sessionStorage.removeItem(draft));
  form.addEventListener("submit", send);
}
// A form is sent without leaving its page, so that a reload asks for the page and sends nothing twice.
async function send(event) {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(typed()) });
    if (answer.redirected) {
      if (!answer.url.includes("/login")) sessionStorage.removeItem(draft);
      return location.assign(answer.url);
    }
    showProblems(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    HTMLFormElement.prototype.submit.call(form);  // the server is away: the browser says so in its own words
  }
  button.disabled = false;
}
// The answer is the same form with what is wrong at each field; only that is taken over, and the first is focused.
function showProblems(page) {
  const fresh = page.getElementById("form");
  if (!fresh) return void document.querySelector("main").replaceWith(page.querySelector("main"));
  for (const old of form.querySelectorAll(".wrong")) old.remove();
  for (const field of form.querySelectorAll("[aria-describedby]")) {
    const like = fresh.querySelector(`#${CSS.escape(field.id)}`);
    for (const name of ["aria-invalid", "aria-describedby"]) {
      if (like.hasAttribute(name)) field.setAttribute(name, like.getAttribute(name)); else field.removeAttribute(name);
    }
  }
  for (const text of fresh.querySelectorAll(".wrong")) {
    document.getElementById(text.nextElementSibling.id).before(text.cloneNode(true));
  }
  const banner = form.querySelector(".banner");
  banner.textContent = fresh.querySelector(".banner").textContent;
  const first = form.querySelector("[aria-invalid]");
  (first?.matches("fieldset") ? first.querySelector("input") || first : first)?.focus();
  if (!first) banner.scrollIntoView({ block: "center" });
}
// What changes is asked for again every two seconds, until an answer says that nothing will change any more.
async function refresh() {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  try {
    const place = new URL(part.getAttribute("data-refresh"), location), kept = part.querySelector("[data-version]");
    if (kept) place.searchParams.set("have", kept.getAttribute("data-version"));  // it is not sent a second time
    const answer = await fetch(place);
    if (answer.redirected) return location.reload();  // logged out: the login page, which leads back here
    const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page && page.getElementById(part.id), chosen = getSelection();
    if (fresh && (chosen.isCollapsed || !chosen.containsNode(part, true))) renew(part, fresh);
  } catch { /* the server is away: it is asked again */ }
  setTimeout(refresh, 2000);
}
setTimeout(refresh, 2000);
// Replaces no more than what differs, and gives the focus back to a link or button that was replaced by its like.
function renew(old, fresh) {
  for (const same of fresh.querySelectorAll("[data-same]")) {
    same.replaceWith(document.getElementById(same.id).cloneNode(true));
  }
  const focused = document.activeElement, like = focused.outerHTML, inside = old.contains(focused), id = old.id;
  patch(old, fresh);
  if (!inside || focused.isConnected) return;
  const found = [...document.getElementById(id).querySelectorAll("a, button")].find((one) => one.outerHTML === like);
  if (found) found.focus({ preventScroll: true });
}
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const before = [...old.childNodes], after = [...fresh.childNodes];
  const sameShell = old.cloneNode(false).isEqualNode(fresh.cloneNode(false));
  if (sameShell && before.length === after.length) before.forEach((child, n) => patch(child, after[n]));
  else old.replaceWith(fresh);
}
// A passage that a link leads to.
document.getElementById("passage")?.scrollIntoView({ block: "center" });
