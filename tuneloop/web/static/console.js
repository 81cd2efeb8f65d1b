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
    else if (kind === "array") body[field.name] = field.value.split("\n").flatMap((s) => s.split(",")).map((s) => s.trim()).filter(Boolean);
    else { try { body[field.name] = JSON.parse(field.value); } catch { body[field.name] = field.value; } }
  }
  const answer = await fetch(`/api/stages/${form.dataset.stage}?${query}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
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
  if (answer.ok) location.reload();
  else document.querySelector(".banner").textContent = (await answer.json()).error;
});
// What changes is asked for again every two seconds.
const live = document.querySelector("[data-refresh]");
if (live) setInterval(async () => {
  const answer = await fetch(live.dataset.refresh);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-refresh]") || page.body;
  live.replaceChildren(...fresh.childNodes);
}, 2000);
