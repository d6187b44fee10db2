// Single keys on the pages of the queues: a key presses, or focuses, the control that names it. A box switches them off.
const keys = document.querySelector("[data-keys]");
if (keys) {
  const box = keys.querySelector("input");
  const show = () => document.body.classList.toggle("keyed", box.checked);
  box.checked = localStorage.getItem("single-keys") !== "off";
  box.addEventListener("change", () => {
    localStorage.setItem("single-keys", box.checked ? "on" : "off");
    show();
  });
  keys.hidden = false;
  show();
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (!box.checked || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const control = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!control) return;
    event.preventDefault();
    if (control.matches("input:not([type=checkbox])")) control.focus();
    else control.click();
  });
}
