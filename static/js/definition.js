// The editor, as far as htmx has no words for it: problems beside their fields while somebody types, what is folded open
// stays open when the form is made anew, lines of the YAML view, and a warning before typed text is left behind.

const form = () => document.getElementById("definition");

// --- problems beside their fields ------------------------------------------------------------------------------------

const place = () => {
  for (const note of document.querySelectorAll("#definition [id$='-p']")) {
    note.hidden = true;
    note.lastElementChild.textContent = "";
    document.getElementById(note.id.slice(0, -2))?.removeAttribute("aria-invalid");
  }
  for (const problem of document.querySelectorAll("#problems [data-for]")) {
    const field = document.getElementById(problem.dataset.for);
    const note = document.getElementById(`${problem.dataset.for}-p`);
    if (!note) continue;
    note.lastElementChild.textContent += (note.hidden ? "" : "; ") + problem.dataset.text;
    note.hidden = false;
    if (field.matches("input, select, textarea")) field.setAttribute("aria-invalid", "true");
  }
};
document.addEventListener("htmx:oobAfterSwap", ({ detail }) => detail.target.id === "problems" && place());

// --- what is open stays open -----------------------------------------------------------------------------------------

let folds = new Map();
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "editor") return;
  folds = new Map([...detail.target.querySelectorAll("details[id]")].map((each) => [each.id, each.open]));
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, open] of folds) {
    const each = document.getElementById(id);
    if (each && open) each.open = true;
  }
  folds = new Map();
});

// --- lines of the YAML view ------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-line]");
  const box = document.getElementById("f-yaml");
  if (!link || !box) return;
  event.preventDefault();
  const lines = box.value.split("\n");
  const line = Math.min(Number(link.dataset.line), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  box.focus();
  box.setSelectionRange(start, start + lines[line - 1].length);
  box.scrollTop = (box.scrollHeight / lines.length) * (line - 4);
});

// --- typed text is not left behind unasked ---------------------------------------------------------------------------

let touched = form()?.dataset.touched !== undefined;
document.addEventListener("input", (event) => {
  if (event.target.form === form() && event.target.name !== "show") touched = true;
});
document.addEventListener("htmx:afterSwap", () => (touched ||= form()?.dataset.touched !== undefined));
document.addEventListener("submit", (event) => {
  if (event.target === form()) touched = false;
});
window.addEventListener("beforeunload", (event) => touched && event.preventDefault());
