// .stepper around a number: its [data-step="-1"] and [data-step="1"] buttons.

export function bindSteppers() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".stepper [data-step]");
    const input = button?.closest(".stepper").querySelector("input");
    if (!input) return;
    const min = input.dataset.min === undefined ? 0 : Number(input.dataset.min);
    input.value = String(Math.max(min, (Number(input.value) || 0) + Number(button.dataset.step)));
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
