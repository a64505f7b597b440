// The live log: rows that have arrived wait in #log-arrived until nobody reads; then they go on top of #log-rows.

import { pausedByYou } from "./live.js";

const table = document.getElementById("log");
const rows = document.getElementById("log-rows");
const arrived = document.getElementById("log-arrived");
const MOST = Number(table.dataset.most);
const FOLD_SECONDS = 3; // what comes too fast within that belongs to the same fold
const SAY_SECONDS = 10;

// --- rows in their order: newest first, whenever they come -----------------------------------------------------------

const isEvent = (row) => row.id.startsWith("event-");
// A row that is no event stands directly above the newest event there was.
const keyOf = (row) => (isEvent(row) ? row.id : (row.dataset.key ?? ""));
const newest = () => {
  const keys = [...arrived.rows, ...rows.rows].filter(isEvent).map((row) => row.id);
  return keys.reduce((most, key) => (key > most ? key : most), "");
};
// An id is a UUIDv7: its first 48 bits are milliseconds since 1970.
const timeOf = (key) => (key ? parseInt(key.slice(6, 14) + key.slice(15, 19), 16) : 0);

const place = (row) => {
  if (isEvent(row) && rows.rows.namedItem(row.id)) return row.remove();
  const key = keyOf(row);
  const below = [...rows.rows].find((each) => (isEvent(row) ? keyOf(each) < key : keyOf(each) <= key));
  rows.insertBefore(row, below ?? null);
};

const tidy = () => {
  while (rows.rows.length > MOST) rows.lastElementChild.remove();
  const count = [...rows.rows].filter(isEvent).length;
  document.getElementById("log-empty").hidden = rows.rows.length > 0;
  document.getElementById("log-count").textContent = `${count} row${count === 1 ? "" : "s"}, at most ${MOST} in the page`;
  const older = document.getElementById("log-older");
  const last = [...rows.rows].findLast(isEvent);
  if (older && last) older.href = address(location.pathname, { before: last.id.slice(6) });
};

const address = (path, words) => {
  const url = new URL(path, location.href);
  for (const { name, value } of document.querySelectorAll("#log-state input")) url.searchParams.set(name, value);
  for (const [name, value] of Object.entries(words)) url.searchParams.set(name, value);
  return url.pathname + url.search;
};

// --- folds and gaps --------------------------------------------------------------------------------------------------

const extra = (name) => {
  const row = document.getElementById(name).content.querySelector("tr").cloneNode(true);
  row.dataset.key = newest();
  return row;
};
const figure = (count) => count.toLocaleString("en").replaceAll(",", "\u2009");
const number = (count, word) => `${figure(count)} ${word}${count === 1 ? "" : "s"}`;
const loads = (row, since, until) => {
  const link = row.querySelector("[data-load]");
  const words = { since: new Date(since).toISOString() };
  if (until) words.until = new Date(until + 1).toISOString(); // until is before
  link.href = address(table.dataset.log, words);
  link.dataset.load = address(table.dataset.rows, words);
  link.hidden = false;
};

let fold = null;
const addFold = ({ folded, between }) => {
  const now = Date.now();
  const [first, last] = between.map((time) => Date.parse(time));
  const there = fold && (arrived.contains(fold.row) || (rows.contains(fold.row) && !whyPaused()));
  if (!there || now - fold.seen > FOLD_SECONDS * 1000) {
    fold = { row: extra("log-fold"), since: first, until: last, count: 0, failed: 0, agents: new Map() };
    arrived.append(fold.row);
  }
  fold.seen = now;
  fold.since = Math.min(fold.since, first);
  fold.until = Math.max(fold.until, last);
  for (const { agent, outcome, count } of folded) {
    fold.count += count;
    if (outcome === "error") fold.failed += count;
    fold.agents.set(agent, (fold.agents.get(agent) ?? 0) + count);
  }
  const part = (name) => fold.row.querySelector(`[data-${name}]`);
  const seconds = Math.max(1, Math.round((fold.until - fold.since) / 1000));
  part("sum").textContent = `${number(fold.count, "more request")} in ${seconds} s`;
  const most = [...fold.agents].sort((a, b) => b[1] - a[1]);
  const named = most.slice(0, 4).map(([agent, count]) => `${agent || "nobody"} ${count}`);
  part("agents").textContent = named.join(", ") + (most.length > 4 ? `, ${most.length - 4} more` : "");
  part("failed").hidden = !fold.failed;
  part("failed").lastElementChild.textContent = number(fold.failed, "error");
  loads(fold.row, fold.since, fold.until);
};

let lost = null; // the connection was: since which row, for how long
document.body.addEventListener("connection-back", ({ detail }) => (lost = { ...detail, row: extra("log-gap") }));
const addGap = (missed, before, after) => {
  const row = lost?.row ?? extra("log-gap");
  row.dataset.key = before;
  const gone = missed >= 100000 ? `at least ${number(missed, "event")}` : number(missed, "event");
  const words = lost ? `Connection was lost for ${Math.max(1, Math.round(lost.seconds))} s; ` : "";
  row.querySelector("[data-words]").textContent = words + (missed ? `${gone} not shown` : "nothing is missing");
  row.classList.toggle("is-whole", !missed);
  if (missed) loads(row, timeOf(before), after);
  arrived.append(row);
  lost = null;
};

// A row opens wherever it is clicked, but where it has something else to click, and not when text was selected.
rows.addEventListener("click", (event) => {
  if (event.target.closest("a, button") || getSelection().toString()) return;
  event.target.closest("tr[id]")?.querySelector(".main-link")?.click();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-load]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const row = link.closest("tr");
  link.setAttribute("aria-disabled", "true");
  htmx.ajax("GET", link.dataset.load, { source: link, target: row, swap: "outerHTML" });
});
// What was loaded into a gap: each row to its place, none twice.
document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (!detail.requestConfig?.path.startsWith(table.dataset.rows)) return;
  const seen = new Set();
  const found = [...rows.rows];
  for (const row of found.filter(isEvent)) {
    if (seen.has(row.id)) row.remove();
    seen.add(row.id);
  }
  for (const row of rows.querySelectorAll("tr.gap:not([data-key])")) row.dataset.key = keyOf(row.previousElementSibling ?? row);
  const all = [...rows.rows].sort((a, b) => (keyOf(a) < keyOf(b) ? 1 : keyOf(a) > keyOf(b) ? -1 : 0));
  rows.append(...all);
  tidy();
});

// --- pausing ---------------------------------------------------------------------------------------------------------

let byYou = false;
let waiting = 0;
const status = document.getElementById("log-status");
const pause = document.getElementById("log-pause");
const more = document.querySelector("#log-newer button");
const opened = () => document.querySelector("#drawer.drawer");
const BAR = 48; // pixels of the top bar
const reasons = [
  ["Paused by you", () => byYou],
  ["Paused: a row is open", opened],
  ["Paused: scrolled down", () => window.scrollY > 0 && rows.getBoundingClientRect().top < BAR],
  ["Paused: the pointer is on the rows", () => matchMedia("(hover: hover)").matches && rows.matches(":hover")],
  ["Paused: a row has the focus", () => rows.querySelector(":focus-visible")],
];

const whyPaused = () => reasons.find(([, holds]) => holds())?.[0];

const show = () => {
  if (table.dataset.live === undefined) return;
  const why = whyPaused();
  if (!why) flush();
  status.className = `status is-${why ? "idle" : "ok"}`;
  status.lastElementChild.textContent = why ?? "Newest on top";
  more.hidden = !waiting;
  more.lastElementChild.textContent = `${figure(waiting)} new`;
};
const flush = () => {
  waiting = 0;
  if (!arrived.rows.length) return;
  for (const row of [...arrived.rows]) place(row);
  tidy();
};
const setPaused = (paused) => {
  byYou = paused;
  pausedByYou(paused);
  pause.setAttribute("aria-pressed", paused);
  pause.lastElementChild.textContent = paused ? "Resume" : "Pause";
  show();
};

pause?.addEventListener("click", () => setPaused(!byYou));
more?.addEventListener("click", () => {
  scrollTo({ top: 0 });
  flush();
  setPaused(false);
});
for (const name of ["pointerover", "pointerleave", "focusin"]) rows.addEventListener(name, () => show());
rows.addEventListener("focusout", () => setTimeout(show));
addEventListener("scroll", () => show(), { passive: true });

// --- what the socket brings: rows, then how many there were besides --------------------------------------------------

let before = newest();
const fresh = { count: 0, failed: 0 };
document.body.addEventListener("rows-arrived", () => {
  for (const row of [...arrived.rows].filter((each) => isEvent(each) && each.dataset.counted === undefined)) {
    if (rows.rows.namedItem(row.id)) {
      row.remove();
      continue;
    }
    row.dataset.counted = "";
    waiting += 1;
    fresh.count += 1;
    if (row.querySelector(".status.is-bad")) fresh.failed += 1;
  }
});
document.body.addEventListener("log-message", ({ detail }) => {
  if (table.dataset.live === undefined) return;
  const { folded, missed = 0 } = detail;
  const came = [...arrived.rows].filter((row) => isEvent(row) && row.id > before).map((row) => row.id).sort();
  if (missed || lost) addGap(missed, before, lost ? timeOf(came[0]) : timeOf(came.at(-1)));
  if (folded) addFold(detail);
  for (const { count, outcome } of folded ?? []) {
    waiting += count;
    fresh.count += count;
    if (outcome === "error") fresh.failed += count;
  }
  waiting += missed;
  while (arrived.rows.length > MOST) arrived.firstElementChild.remove();
  before = newest();
  show();
  say();
});

// --- announced at most once in so many seconds -----------------------------------------------------------------------

let saying = null;
const say = () => {
  if (saying || !fresh.count) return;
  const failed = fresh.failed ? `, ${number(fresh.failed, "error")}` : "";
  document.getElementById("log-said").textContent = `${number(fresh.count, "new event")}${failed}`;
  Object.assign(fresh, { count: 0, failed: 0 });
  saying = setTimeout(() => ((saying = null), say()), SAY_SECONDS * 1000);
};

// --- the drawer ------------------------------------------------------------------------------------------------------

const mark = () => {
  for (const row of rows.querySelectorAll(".is-open")) row.classList.remove("is-open");
  const drawer = opened();
  if (drawer) document.getElementById(drawer.dataset.event)?.classList.add("is-open");
  show();
};
let last = opened()?.dataset.event;
document.body.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.target.id !== "drawer" && detail.elt.id !== "drawer") return;
  const drawer = opened();
  if (drawer) {
    last = drawer.dataset.event;
    drawer.focus({ preventScroll: true });
  } else document.getElementById(last)?.querySelector(".main-link").focus({ preventScroll: true });
  mark();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector(":popover-open, dialog[open]")) return;
  if (opened()) document.getElementById("drawer-close").click();
  else if (rows.contains(document.activeElement)) document.activeElement.blur();
});
mark();
