// What htmx cannot do: failures said in place, toasts, keys, times that grow older. No state but what the page shows.

const fill = (id, words) => {
  const copy = document.getElementById(id).content.firstElementChild.cloneNode(true);
  if (words) copy.querySelector("[data-words]").textContent = words;
  return copy;
};

// --- every request ends in content, empty, or an error with a retry --------------------------------------------------

const failed = (event, words) => {
  const { elt, target } = event.detail;
  if (elt?.dataset?.quiet !== undefined) return; // a refresh of what is there: the next one comes by itself
  const reading = (event.detail.requestConfig?.verb ?? "get") === "get";
  if (!reading || !target || target === document.body) return toast(words);
  const note = fill("region-failed", words);
  // The same once more, whatever made the element ask: what it has now may be no change to it.
  const { finalRequestPath } = event.detail.pathInfo;
  const swap = elt.closest("[hx-swap]")?.getAttribute("hx-swap") ?? "innerHTML";
  note.querySelector("[data-retry]").addEventListener("click", () => {
    note.remove();
    htmx.ajax("get", finalRequestPath, { target, swap });
  });
  target.querySelector(":scope > .note.is-bad[role=alert]")?.remove();
  if (target.matches("tbody, table")) target.closest(".table").before(note);
  else target.prepend(note);
};

const toast = (words) => watchToast(document.getElementById("toasts").appendChild(fill("toast-failed", words)));

document.addEventListener("htmx:sendError", (event) => failed(event, "The server cannot be reached."));
document.addEventListener("htmx:timeout", (event) => failed(event, "The server has not answered for 20 seconds."));
document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (saysWhere(xhr)) return;
  if (xhr.status === 503) failed(event, "The database is away. Calls go on; this comes back with it.");
  else if (xhr.status >= 500) failed(event, `The server failed (${xhr.status}). Its log says why.`);
  else failed(event, xhr.status === 404 ? "This is gone." : `This was refused (${xhr.status}).`);
});
// An error that names its own place, a toast or the line for signing in, is shown there; others leave the page alone.
const saysWhere = (xhr) => xhr.getResponseHeader("HX-Retarget") !== null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.isError && saysWhere(detail.xhr)) detail.shouldSwap = true;
});

// --- toasts ----------------------------------------------------------------------------------------------------------

const watchToast = (element) => {
  const seconds = Number(element.dataset.seconds);
  if (!seconds) return;
  let timer;
  const start = () => (timer = setTimeout(() => element.remove(), seconds * 1000));
  const stop = () => clearTimeout(timer);
  for (const name of ["pointerenter", "focusin"]) element.addEventListener(name, stop);
  for (const name of ["pointerleave", "focusout"]) element.addEventListener(name, start);
  start();
};

document.querySelectorAll(".toast").forEach(watchToast);
new MutationObserver((changes) =>
  changes.forEach((change) => change.addedNodes.forEach((node) => node.matches?.(".toast") && watchToast(node))),
).observe(document.getElementById("toasts"), { childList: true });
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) event.target.closest(".toast").remove();
  if (event.target.closest("[data-help]")) help();
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied);
});

// --- copying ---------------------------------------------------------------------------------------------------------

// <button data-copy="#id">: the text of that element; data-copy-text: this text.
const copy = async (button) => {
  const text = button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent.trim();
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Not allowed here";
  }
  setTimeout(() => (label.textContent = before), 1500);
};

// --- changed cells are tinted for a second ---------------------------------------------------------------------------

const before = new Map();
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => before.set(detail.target.id, detail.target.textContent));
document.addEventListener("htmx:oobAfterSwap", ({ detail }) => {
  const now = document.getElementById(detail.target.id);
  if (now?.dataset.cell === undefined || before.get(now.id) === now.textContent) return;
  now.classList.add("changed");
  now.addEventListener("animationend", () => now.classList.remove("changed"), { once: true });
});

// --- times that grow older -------------------------------------------------------------------------------------------

const spans = [[60, 1, "s"], [3600, 60, "min"], [48 * 3600, 3600, "h"], [Infinity, 86400, "days"]];
export const span = (seconds) => {
  const [, unit, name] = spans.find(([limit]) => seconds < limit);
  return `${Math.max(0, Math.floor(seconds / unit))} ${name}`;
};
setInterval(() => {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    element.textContent = span((Date.now() - Date.parse(element.dateTime)) / 1000);
  }
}, 5000);

// --- how many agents fail: title, icon, rail -------------------------------------------------------------------------

export const showFailing = (count) => {
  const tally = document.getElementById("tally");
  if (tally) {
    tally.hidden = !count;
    tally.firstChild.textContent = count;
  }
  document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  drawIcon(count);
};

const icon = document.getElementById("favicon");
const quiet = icon.href;
const drawIcon = (count) => {
  if (!count) return void (icon.href = quiet);
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#ae241d";
  pen.beginPath();
  pen.arc(16, 16, 16, 0, 7);
  pen.fill();
  Object.assign(pen, { fillStyle: "#fff", font: "600 20px sans-serif", textAlign: "center", textBaseline: "middle" });
  pen.fillText(count > 9 ? "9+" : count, 16, 17);
  canvas.toBlob((blob) => (icon.href = URL.createObjectURL(blob)));
};
showFailing(Number(document.body.dataset.failing));

// --- keys ------------------------------------------------------------------------------------------------------------

const OFF = "keys-off";
const off = document.getElementById("no-keys");
off.checked = localStorage.getItem(OFF) === "1";
off.addEventListener("change", () => localStorage.setItem(OFF, off.checked ? "1" : ""));
const help = () => document.getElementById("help").showModal();

const rows = () => [...document.querySelectorAll(".main .table tbody tr")].filter((row) => row.querySelector(".main-link"));
const move = (by) => {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]
    ?.querySelector(".main-link").focus();
};
const row = () => document.activeElement?.closest("tr");
const press = (selector) => document.querySelector(selector)?.click();

let going = false;
const keys = {
  "/": () => document.getElementById("search").focus(),
  "?": help,
  j: () => move(1),
  k: () => move(-1),
  x: () => row()?.querySelector("[type=checkbox]")?.click(),
  p: () => press("[data-key=p]"),
  t: () => press("[data-key=t]"),
  g: () => {
    going = true;
    setTimeout(() => (going = false), 1500);
  },
};
// In the search of the top bar: arrows walk through what is found, Escape leaves it.
document.querySelector(".top .search")?.addEventListener("keydown", (event) => {
  const stops = [...event.currentTarget.querySelectorAll("#search, #found a")];
  const at = stops.indexOf(document.activeElement) + { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") document.activeElement.blur();
  else if (stops[at]) stops[at].focus();
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || off.checked) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  const go = going && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  if (go) go.click();
  else if (keys[event.key]) keys[event.key]();
  else return;
  if (event.key !== "g" || go) going = false;
  event.preventDefault();
});

// --- where the page is narrow the chosen tab is in sight all the same ------------------------------------------------

for (const chosen of document.querySelectorAll(":is(.tabs, .side) [aria-current]")) {
  const tabs = chosen.parentElement;
  tabs.scrollLeft = chosen.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - chosen.offsetWidth) / 2;
}
