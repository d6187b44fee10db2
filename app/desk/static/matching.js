// Continues an action on many deals by itself: presses Continue, unless the user stops.
(() => {
  const form = document.querySelector("[data-steps]");
  const next = form?.querySelector("[data-next]");
  if (!next) return;
  next.hidden = true;
  const timer = setTimeout(() => form.requestSubmit(next), 300);
  form.querySelector("[name=stop]").addEventListener("click", () => clearTimeout(timer));
})();
