"use strict";
// A form of a stage: its values become the JSON body of POST /api/stages/NAME.
const form = document.querySelector("form[data-stage]");
if (form) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = {}, query = new URLSearchParams();
  for (const field of form.elements) {
    if (!field.name || field.value === "") continue;
    if (field.name === "_name") { query.set("name", field.value); continue; }
    const kind = field.dataset.type;
    if (kind === "string") body[field.name] = field.value;
    else if (kind === "array") body[field.name] = field.value.split(/[\n,]/).map((s) => s.trim()).filter(Boolean);
    else { try { body[field.name] = JSON.parse(field.value); } catch { body[field.name] = field.value; } }
  }
  const answer = await fetch(`/api/stages/${form.dataset.stage}?${query}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (turnedAway(answer)) return;
  const result = await answer.json();
  if (answer.ok) location.href = `/runs/${result.run}`;
  else document.querySelector(".banner").textContent = result.error;
});
// Listened for on the document, because the button is replaced with what is around it.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-cancel]");
  if (!button) return;
  button.disabled = true;
  const answer = await fetch(`/api/runs/${button.dataset.cancel}/cancel`, { method: "POST" });
  if (turnedAway(answer)) return;
  if (answer.ok) location.reload();
  else document.querySelector(".banner").textContent = (await answer.json()).error;
});
// What changes is asked for again every two seconds, until an answer says that nothing will change any more.
async function refresh() {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  try {
    const answer = await fetch(part.dataset.refresh + location.search);
    if (turnedAway(answer)) return;
    const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page && page.getElementById(part.id), chosen = getSelection();
    if (fresh && (chosen.isCollapsed || !chosen.containsNode(part, true))) renew(part, fresh);
  } catch { /* the server is away: it is asked again */ }
  setTimeout(refresh, 2000);
}
setTimeout(refresh, 2000);
// Replaces no more than what differs, and gives the focus back to a link or button that was replaced by its like.
function renew(old, fresh) {
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
// Without a valid key a page answers with the login page, and REST with 401.
function turnedAway(answer) {
  const away = answer.redirected || answer.status === 401;
  if (away) location.assign("/login");
  return away;
}
