// A notification is read when it is followed: the page it leads to need not wait for that to be written down.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-read]");
  if (!link) return;
  const { "X-CSRFToken": token } = JSON.parse(document.body.getAttribute("hx-headers:inherited") ?? "{}");
  fetch(link.dataset.read, { method: "POST", keepalive: true, headers: { "X-CSRFToken": token }, body: new URLSearchParams({ quiet: "1" }) });
  link.closest(".is-unread")?.classList.remove("is-unread");
  delete link.dataset.read;
});
