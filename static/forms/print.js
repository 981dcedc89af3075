// [data-print] prints the page; without JavaScript the browser's own menu does.

export function bindPrint() {
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-print]")) print();
  });
}
