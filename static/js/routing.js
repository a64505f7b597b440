// A URL that is pasted into the tester goes into the page's address: its credentials and tokens must not.

document.addEventListener("change", ({ target }) => {
  if (target.id !== "ask" || !/^https?:\/\//i.test(target.value)) return;
  const url = URL.parse(target.value.trim());
  if (!url) return;
  const secret = url.username || url.password || url.searchParams.has("__token") || url.searchParams.has("token");
  if (secret) target.value = url.origin + url.pathname;
});
