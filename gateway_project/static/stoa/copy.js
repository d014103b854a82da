// Buttons that copy what their attribute says. Without this script, or without the right to the clipboard, there are none.
if (navigator.clipboard) {
    for (const button of document.querySelectorAll("[data-copies]")) {
        button.hidden = false;
        button.addEventListener("click", async () => {
            await navigator.clipboard.writeText(button.dataset.copies);
            button.textContent = "Copied";
        });
    }
}
