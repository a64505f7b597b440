// The page's live connection: the badge that cannot lie, and the events that make regions ask for what is new.
// htmx's ws extension connects, reconnects, and puts rows into the page; here is what it has no words for.

import { showFailing, span } from "./app.js";

const live = document.getElementById("live");
const badge = document.getElementById("live-badge");
const word = document.getElementById("live-word");
const age = document.getElementById("live-age");
const state = { name: "connecting", cursor: null, seen: null, since: null, lost: null, revision: document.body.dataset.revision };
export const socket = state;

// --- resume where the last connection ended --------------------------------------------------------------------------

htmx.createWebSocket = (address) => {
  const url = new URL(address);
  // At first from the moment that the page was made: what happened since then is told too.
  const cursor = state.cursor ?? (url.searchParams.has("cursor") ? null : document.body.dataset.cursor);
  if (cursor) url.searchParams.set("cursor", cursor);
  url.searchParams.set("revision", state.revision);
  return new WebSocket(url);
};

// By itself htmx waits up to a minute after a longer outage.
htmx.config.wsReconnectDelay = (tries) => Math.min(1000 * 2 ** tries, 5000) * (0.5 + Math.random() / 2);

// --- the badge -------------------------------------------------------------------------------------------------------

const OFFLINE_AFTER = 10; // seconds without a connection: no longer a hiccup
const clock = (moment) => moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false, timeZone: badge.dataset.zone });

const show = () => {
  const silent = state.lost ? (Date.now() - state.lost) / 1000 : 0;
  let tone = "ok", text = "Live", more = state.seen ? `${span((Date.now() - state.seen) / 1000)} ago` : "";
  if (state.name === "signed-out") [tone, text, more] = ["bad", "Signed out", ""];
  else if (state.name === "refused") [tone, text, more] = ["bad", state.reason, ""];
  else if (silent > OFFLINE_AFTER) [tone, text, more] = ["bad", `Offline since ${clock(new Date(state.lost))}`, ""];
  else if (state.lost) [tone, text, more] = ["warn", "Reconnecting", ""];
  else if (state.name === "connecting") [tone, text, more] = ["wait", "Connecting", ""];
  else if (state.name === "away") [tone, text, more] = ["warn", "Database away", ""];
  else if (state.paused) [tone, text, more] = ["idle", "Paused by you", ""];
  else if (state.behind) [tone, text, more] = ["warn", `Catching up ${state.behind}`, ""];
  badge.className = `live${{ ok: "", wait: " is-idle" }[tone] ?? ` is-${tone}`}`;
  badge.firstElementChild.className = `status is-${tone}`;
  badge.querySelector(".jack").classList.toggle("beat", tone === "ok");
  word.textContent = text;
  age.textContent = more;
};
export const pausedByYou = (paused) => ((state.paused = paused), show());
export const catchingUp = (rows) => ((state.behind = rows), show());
setInterval(show, 1000);

// --- messages --------------------------------------------------------------------------------------------------------

const tell = (name, detail) => htmx.trigger(document.body, name, detail);
const throttled = new Map();
// At once, then once in `seconds` at most, and a last time for what came meanwhile.
const gently = (name, seconds, detail) => {
  const waiting = throttled.get(name);
  if (waiting) return void (waiting.again = true);
  const entry = { again: false };
  throttled.set(name, entry);
  tell(name, detail);
  setTimeout(() => {
    throttled.delete(name);
    if (entry.again) gently(name, seconds, detail);
  }, seconds * 1000);
};

let failing = 0;
const askForFailing = async () => {
  if (Date.now() - failing < 4000 || document.hidden) return;
  failing = Date.now();
  const answer = await fetch(document.body.dataset.failingAt, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (answer?.ok) showFailing((await answer.json()).failing.length);
};

const alive = () => {
  const wasAway = state.name === "away";
  state.name = "live";
  if (wasAway) tell("database-back");
};

const heard = (message) => {
  state.seen = Date.now();
  gently("traffic", 2, message);
  askForFailing();
};

const handlers = {
  events: (message) => {
    const count = message.events.length + (message.folded ?? []).reduce((sum, { count }) => sum + count, 0) + (message.missed ?? 0);
    alive();
    if (count) heard(message);
    tell("log-message", message);
  },
  beat: () => alive(),
  away: () => (state.name = "away"),
  error: (message) => Object.assign(state, { name: "refused", reason: message.message }),
  revision: (message) => {
    state.revision = message.revision;
    gently("registry-changed", 1, message);
  },
};

document.addEventListener("htmx:wsAfterMessage", ({ detail }) => {
  if (!detail.message.startsWith("{")) {
    heard();
    return tell("rows-arrived");
  }
  const message = JSON.parse(detail.message);
  if (message.cursor) state.cursor = message.cursor;
  handlers[message.type]?.(message);
  banner();
  show();
});

document.addEventListener("htmx:wsOpen", () => {
  if (state.lost) tell("connection-back", { seconds: (Date.now() - state.lost) / 1000 });
  state.lost = null;
  show(); // live from its first message on
});
document.addEventListener("htmx:wsClose", ({ detail }) => {
  const code = detail.event.code;
  if (code === 4401) {
    state.name = "signed-out";
    document.getElementById("session").replaceChildren(signedOut());
  } else if (code === 4403) Object.assign(state, { name: "refused", reason: "Not for your role" });
  else state.lost ??= Date.now();
  if (code === 4401 || code === 4403) live.remove(); // it would come again and again
  show();
});

const signedOut = () => {
  const note = document.getElementById("signed-out").content.cloneNode(true);
  const link = note.querySelector("a"); // a template's elements have no base: only the attribute can be set
  link.setAttribute("href", `${link.getAttribute("href")}?${new URLSearchParams({ next: location.pathname + location.search })}`);
  return note;
};

const banner = () => {
  const place = document.getElementById("banner");
  const there = place.querySelector("[data-away]");
  if (state.name === "away" && !there) {
    const note = document.getElementById("database-away").content.firstElementChild.cloneNode(true);
    note.dataset.away = "";
    note.querySelector("time").textContent = clock(new Date());
    place.append(note);
  } else if (state.name !== "away") there?.remove();
};
show();
