// <upload-zone>: drop or choose; shows the name and size of what was chosen.
class UploadZone extends HTMLElement {
  connectedCallback() {
    this.label = this.querySelector(".upload-zone");
    this.input = this.querySelector("input[type=file]");
    this.text = this.querySelector("[data-upload-label]");
    for (const name of ["dragenter", "dragover", "dragleave", "drop", "change"]) this.addEventListener(name, this);
  }

  handleEvent(event) {
    if (event.type === "dragenter" || event.type === "dragover") {
      event.preventDefault();
      this.label.dataset.over = "";
    } else if (event.type === "dragleave") {
      delete this.label.dataset.over;
    } else if (event.type === "drop") {
      event.preventDefault();
      delete this.label.dataset.over;
      if (event.dataTransfer?.files.length) {
        this.input.files = event.dataTransfer.files;
        this.input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    } else {
      this.show();
    }
  }

  show() {
    const files = [...this.input.files];
    this.label.toggleAttribute("data-filled", files.length > 0);
    if (files.length) this.text.textContent = files.map((file) => `${file.name} (${size(file.size)})`).join(", ");
  }
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  while (bytes >= 999.5 && at < units.length - 1) {
    bytes /= 1000;
    at += 1;
  }
  return `${bytes.toFixed(at && bytes < 99.5 ? 1 : 0)}\u00a0${units[at]}`;
}

customElements.define("upload-zone", UploadZone);
