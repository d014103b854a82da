// Filters of a list are applied at once. Without scripts, a button applies them.
document.documentElement.dataset.scripted = "";
document.addEventListener("change", (event) => {
    const form = event.target.closest(".stoa-filters");
    if (!form || (event.target.type === "date" && event.target.value && event.target.value < "1971")) return;
    for (const control of form.elements) control.disabled ||= control.value === "";
    form.submit();
});
