// Comfort only: tick a whole page at once, and see how many deals are ticked. Everything works without it.
const everything = document.querySelector("[data-all]");
if (everything) {
  const ticks = [...document.querySelectorAll("input[name=deal_ids]")];
  const count = document.querySelector("[data-count]");
  const show = () => {
    const ticked = ticks.filter((tick) => tick.checked).length;
    everything.checked = ticked === ticks.length;
    everything.indeterminate = ticked > 0 && ticked < ticks.length;
    count.textContent = ticked ? `${ticked} ticked:` : "With the ticked deals:";
  };
  everything.closest("label").hidden = false;
  everything.addEventListener("change", () => {
    for (const tick of ticks) tick.checked = everything.checked;
    show();
  });
  for (const tick of ticks) tick.addEventListener("change", show);
  show();
}
