// Rows never move under the pointer or the focus: a region that somebody points at asks again later.
document.addEventListener("htmx:beforeRequest", (event) => {
  const region = event.detail.elt;
  if (region.dataset.still === undefined) return;
  if (region.querySelector("a:hover, button:hover, :focus-visible")) event.preventDefault();
});
