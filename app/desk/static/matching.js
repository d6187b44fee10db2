// Makes the steps of an action on all deals that match one after the other, until it is done or cancelled.
// Without it, a button makes each step.
(() => {
  const panel = document.querySelector("#matching");
  const said = document.querySelector("[data-said]");
  const owner = document.querySelector(".email")?.textContent ?? "";
  let busy = false, cancelled = false;

  const pause = () => {
    busy = cancelled = false;
    panel.classList.add("paused");
  };
  panel.addEventListener("click", (event) => {
    const stop = event.target.closest("[name=stop]");
    if (!stop || !busy) return;
    event.preventDefault(); // the step in progress ends first
    cancelled = true;
    stop.textContent = "Cancelling…";
  });
  panel.addEventListener("htmx:beforeRequest", () => {
    busy = true;
    panel.classList.remove("paused");
    sessionStorage.removeItem(`selection:${owner}:${panel.dataset.found}`); // the list has no selection afterwards
  });
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.target !== panel) return;
    busy = false;
    said.textContent = panel.querySelector("[data-progress]").textContent;
    if (document.activeElement === document.body) panel.querySelector("[name=stop]").focus();
    panel.querySelector(cancelled ? "[name=stop]" : "[data-continue]").click();
  });
  document.addEventListener("htmx:responseError", pause);
  document.addEventListener("htmx:sendError", pause);
})();
