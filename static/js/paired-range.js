// <paired-range>: a slider beside a number field. Moving one moves the other; the field is what the form sends. Without
// script the slider does nothing and the field works alone.
class PairedRange extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this);
  }

  disconnectedCallback() {
    this.removeEventListener("input", this);
  }

  handleEvent(event) {
    const slider = this.querySelector("input[type=range]");
    const field = this.querySelector("input[type=number]");
    if (event.target === slider) field.value = slider.value;
    else if (event.target === field && field.value !== "") slider.value = field.value;
  }
}

customElements.define("paired-range", PairedRange);
