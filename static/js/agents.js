// The list of agents: how many are picked, all of a page at once, and views that this browser keeps.

const boxes = () => [...document.querySelectorAll("#list tbody [type=checkbox]")];
const tell = () => {
  const all = boxes();
  const picked = all.filter((box) => box.checked).length;
  const words = document.querySelector("[data-picked]");
  if (words) words.textContent = `${picked} picked`;
  const whole = document.querySelector("[data-pick-all]");
  if (whole) Object.assign(whole, { checked: picked > 0 && picked === all.length, indeterminate: picked > 0 && picked < all.length });
};
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-pick-all]")) boxes().forEach((box) => (box.checked = event.target.checked));
  if (event.target.closest("#list")) tell();
});
document.addEventListener("reset", () => setTimeout(tell));

// --- views: a name for an address ------------------------------------------------------------------------------------

const KEY = "agents-views";
const kept = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
};
const keep = (views) => {
  localStorage.setItem(KEY, JSON.stringify(views));
  showViews();
};
const query = () => {
  const now = new URLSearchParams(location.search);
  for (const name of ["after", "before", "tz"]) now.delete(name);
  for (const [name, value] of [...now]) if (!value) now.delete(name);
  return `?${now}`;
};
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

const showViews = () => {
  const save = document.querySelector("[data-save-view]");
  if (!save) return;
  const here = query();
  document.querySelectorAll("[data-kept-view]").forEach((link) => link.remove());
  for (const { name, address } of kept()) {
    const link = make("a", { href: address, textContent: name });
    link.dataset.keptView = name;
    if (address === here) link.setAttribute("aria-current", "page");
    save.before(link);
  }
  const open = kept().some(({ address }) => address === here);
  save.hidden = !open && save.parentElement.querySelector("[aria-current]") !== null;
  save.lastChild.textContent = open ? "Forget this view" : "Save this view";
};

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-save-view]")) return;
  const address = query();
  const others = kept().filter((view) => view.address !== address);
  if (others.length < kept().length) return keep(others);
  const dialog = document.getElementById("save-view");
  dialog.querySelector("input").value = "";
  dialog.showModal();
});
document.getElementById("save-view")?.addEventListener("submit", (event) => {
  const name = event.target.elements["view-name"].value.trim().slice(0, 40);
  if (event.submitter?.value === "save" && name) keep([...kept(), { name, address: query() }]);
});

// The form and the address are one: Back shows what was looked for then.
const settled = () => {
  showViews();
  tell();
  const field = document.getElementById("q");
  if (field && field !== document.activeElement) field.value = new URLSearchParams(location.search).get("q") ?? "";
};
document.addEventListener("htmx:pushedIntoHistory", settled);
document.addEventListener("htmx:afterSettle", settled);
settled();
