// Reading and keeping small choices of the reader.

/** Keep `value` for a year; an empty value forgets it. */
export function setCookie(name, value) {
  const age = value ? 365 * 24 * 3600 : 0;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
}
