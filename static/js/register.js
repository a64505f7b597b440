// The form of the Register page: a file's text, a route that follows the name, suggestions that fill a field.

const form = document.getElementById("register-form");
const tell = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

// --- the route is made from the name until somebody types one ------------------------------------------------------

for (const route of document.querySelectorAll("[data-follows]")) {
  const name = document.querySelector(route.dataset.follows);
  const slug = () => name.value.toLowerCase().replace(/[^a-z0-9_]+/g, "-").replace(/^[-_]+|[-_]+$/g, "");
  let follows = route.value === "" || route.value === `/${slug()}`;
  name.addEventListener("input", () => follows && (route.value = slug() && `/${slug()}`));
  route.addEventListener("input", () => (follows = route.value === ""));
  // Typed before the scripts were there.
  addEventListener("load", () => route.value === "" && slug() && tell(name));
}

// --- suggestions ---------------------------------------------------------------------------------------------------

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-fill]");
  if (!button) return;
  const field = document.querySelector(button.dataset.fill);
  const { line, value } = button.dataset;
  field.value = line === undefined ? value : field.value.split("\n").map((each) => (each.trim() === line ? value : each)).join("\n");
  field.focus();
  tell(field);
});

// --- a file is read here, so that it is checked like what is pasted -----------------------------------------------

document.addEventListener("change", async ({ target }) => {
  if (!target.matches("[data-into]") || !target.files.length) return;
  const text = document.querySelector(target.dataset.into);
  text.value = await target.files[0].text();
  target.value = "";
  tell(text);
});

// --- registering may take its time: an agent is built, a server is asked -------------------------------------------

const submitter = document.querySelector(".primary[form='register-form']");
const registering = document.getElementById("registering");

function waiting(begun) {
  submitter.disabled = begun;
  registering.classList.toggle("is-on", begun);
  registering.replaceChildren();
  if (!begun) return;
  const jack = registering.appendChild(document.createElement("i"));
  jack.className = "jack";
  jack.ariaHidden = "true";
  const chosen = form.querySelector("[name=source]:checked");
  registering.append(chosen?.dataset.waits ?? "Registering …");
}

// Once the form is on its way: a button that is disabled before sends nothing.
form.addEventListener("submit", ({ submitter: by }) => by === submitter && setTimeout(() => waiting(true)));
addEventListener("pageshow", () => waiting(false));
document.addEventListener("keydown", ({ key }) => key === "Escape" && waiting(false)); // it stops the browser, too

// --- what was seen is of what was typed then -----------------------------------------------------------------------

document.addEventListener("input", ({ target }) => {
  if (target.closest("[data-looked]") || target.name === "source") document.getElementById("looked").replaceChildren();
});

// --- the fields say themselves that they are wrong -----------------------------------------------------------------

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (!["check", "looked"].includes(detail.elt?.id)) return;
  for (const field of form.querySelectorAll("[aria-describedby$='-note']")) {
    const note = document.getElementById(field.getAttribute("aria-describedby"));
    if (note?.id === "credentials-note") continue;
    if (note?.querySelector(".is-bad")) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
