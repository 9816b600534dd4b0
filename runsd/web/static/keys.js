// Keys: g and a letter goes to a page, / to the search, ? lists them. Which letters there are says that list.
const keyboard = document.getElementById("keyboard");
let going = false;

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-keyboard]")) keyboard.showModal();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog[open]")) return;
  const page = going ? [...keyboard.querySelectorAll("a[data-key]")].find((link) => link.dataset.key === event.key) : null;
  if (page) location.assign(page.href);
  else if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "?") keyboard.showModal();
  going = event.key === "g";
});
