// Names for what scripts of the theme put on the page without one: fields that complete what is typed.
(() => {
    const name = (container) => {
        const field = container.previousElementSibling;
        const box = container.querySelector(".select2-selection");
        const text = container.querySelector(".select2-selection__rendered");
        if (!box || !field) return;
        const words = field.labels?.[0]?.textContent.trim() || field.getAttribute("aria-label") || field.name;
        text?.removeAttribute("title");
        box.removeAttribute("aria-labelledby");
        text?.setAttribute("aria-label", words);
        box.setAttribute("aria-label", text?.textContent.trim() ? `${words}: ${text.textContent.trim()}` : words);
    };
    const look = (root) => {
        root.querySelectorAll(".select2-container").forEach(name);
        root.querySelectorAll(".select2-search__field").forEach((field) => field.setAttribute("aria-label", "Search"));
        root.querySelectorAll(".simplebar-content-wrapper[role=region]").forEach((part) => part.removeAttribute("role"));
    };
    document.addEventListener("DOMContentLoaded", () => {
        look(document);
        new MutationObserver(() => look(document)).observe(document.body, { childList: true, subtree: true });
    });
})();
