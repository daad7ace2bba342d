// What HTML cannot do alone: dropped files, values beside sliders, copying, reshuffling, and a word when nobody answers.
"use strict";

const find = (selector) => document.querySelector(selector);
const LIMIT = 32 * 1024 * 1024; // bytes of images that are sent at once

// Values beside sliders, and filters of long lists.
document.addEventListener("input", (event) => {
  const target = event.target;
  if (target.type === "range") {
    const output = target.closest(".slider")?.querySelector("output");
    if (output) output.textContent = String(Number(target.value));
  }
  if (target.dataset.filter) {
    const wanted = target.value.toLowerCase();
    for (const label of document.querySelectorAll(`${target.dataset.filter} label`))
      label.hidden = !label.textContent.toLowerCase().includes(wanted);
    event.stopPropagation();
  }
}, true);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("copy" in button.dataset) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard here: the user copies what is marked
      button.textContent = "Marked";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }
  if (button.dataset.reshuffle) {
    const input = find(button.dataset.reshuffle);
    input.value = String(Math.floor(Math.random() * 1000000));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  if (button.dataset.abort) htmx.trigger(button.dataset.abort, "htmx:abort");
});

// One menu is open at a time, and Escape closes it.
document.addEventListener("toggle", (event) => {
  if (!event.target.open || !event.target.matches(".menu")) return;
  for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== event.target) menu.open = false;
}, true);
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.(".menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Sampling that takes long can be cancelled; a server that is gone is told.
let waiting = 0;
let timer = null;
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.id !== "controls") return;
  waiting += 1;
  find("#images-error").replaceChildren();
  timer ??= setTimeout(() => { find("#working").hidden = false; }, 1200);
});
document.addEventListener("htmx:finally:request", (event) => {
  if (event.target.id !== "controls") return;
  waiting = Math.max(0, waiting - 1);
  if (waiting) return;
  clearTimeout(timer);
  timer = null;
  const note = find("#working");
  if (note) note.hidden = true;
});
document.addEventListener("htmx:after:request", () => { find("#offline").hidden = true; });
document.addEventListener("htmx:error", (event) => {
  const error = event.detail?.error ?? event.detail?.ctx?.error;
  if (error && error.name !== "AbortError" && error instanceof TypeError) find("#offline").hidden = false;
});
document.addEventListener("htmx:after:swap", () => {
  if (!find("#images .block img")) return;
  for (const old of document.querySelectorAll("[data-first-pins]")) old.remove(); // the images bring their own
});

// Dropped images are sent some at a time, so that one bad file refuses none of the others.
function batches(files) {
  const found = [[]];
  let size = 0;
  for (const file of files) {
    if (found.at(-1).length && (size + file.size > LIMIT || found.at(-1).length >= 50)) {
      found.push([]);
      size = 0;
    }
    found.at(-1).push(file);
    size += file.size;
  }
  return found;
}

async function upload(form, files) {
  let url = form.dataset.upload;
  const errors = [];
  let sent = 0;
  for (const batch of batches(files)) {
    const note = find("#draft .uploading");
    note.hidden = false;
    note.textContent = `Checking images, ${sent} of ${files.length} done…`;
    const body = new FormData();
    for (const file of batch) body.append("files", file, file.name);
    let response;
    try {
      response = await fetch(url, { method: "POST", body, headers: { "HX-Request": "true" } });
    } catch {
      find("#offline").hidden = false;
      break;
    }
    const text = await response.text();
    const holder = document.createElement("template");
    holder.innerHTML = text;
    if (response.ok) {
      for (const notice of holder.content.querySelectorAll("#upload-errors .notice")) errors.push(notice);
      const section = find("#draft");
      section.replaceChildren(holder.content);
      htmx.process(section);
      url = section.querySelector("[data-upload]").dataset.upload;
      history.replaceState(null, "", response.headers.get("hx-replace-url") ?? location.pathname);
    } else {
      errors.push(...holder.content.children);
    }
    sent += batch.length;
  }
  const done = find("#draft .uploading");
  done.hidden = true;
  done.textContent = "";
  find("#upload-errors").replaceChildren(...errors);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-upload]");
  if (form && event.target.files?.length) upload(form, [...event.target.files]);
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const form = find("[data-upload]");
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (form) form.classList.toggle("over", kind === "dragover");
    if (kind !== "drop" || !event.dataTransfer.files.length) return;
    if (form) upload(form, [...event.dataTransfer.files]);
    const input = find("form.import input[type=file]");
    if (input && !form) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}
