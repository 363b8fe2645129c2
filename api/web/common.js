// What all pages share: elements, the API, the key that it may ask for, and pictures. Nothing here parses HTML.

const KEY = "recsys-key"; // in the storage of this tab
const notice = document.getElementById("notice");
const keyForm = document.getElementById("key");

/** An element with properties, data and children; null children are left out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Fill an element with others. */
export function fill(id, ...children) {
  byId(id).replaceChildren(...children.flat().filter((child) => child !== null));
}

/** Ask the API below /v1; throws an Error whose message a person can act on. */
export async function api(path, { method = "GET", body } = {}) {
  const answer = await fetch(`v1/${path}`, {
    method,
    headers: { ...credentials(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const said = await answer.json().catch(() => null); // a proxy's own answer is no JSON
  if (answer.ok) return said;
  const why = said?.detail ?? `${answer.status} ${answer.statusText}`;
  throw Object.assign(new Error(why), { status: answer.status, problem: said });
}

/** The same for what is only a help: something else where the key may not see it. */
export async function maybe(path, otherwise) {
  try {
    return await api(path);
  } catch (error) {
    if (error.status === 403) return otherwise;
    throw error;
  }
}

/** Run a step of a page and tell what went wrong; the next step takes that back. */
export async function attempt(step) {
  notice.hidden = true;
  try {
    await step();
  } catch (error) {
    notice.textContent = error.message;
    notice.hidden = false;
    keyForm.hidden = error.status !== 401 && sessionStorage.getItem(KEY) === null; // another key may be the way out
  }
}

/** A picture as an element; one that this server holds may take the key, so it is fetched, not linked. */
export function picture(url) {
  if (!url) return h("span", { className: "blank" });
  const image = h("img", { alt: "", loading: "lazy", referrerPolicy: "no-referrer" });
  image.addEventListener("error", () => image.replaceWith(h("span", { className: "blank" })), { once: true });
  if (url.startsWith("/")) own(url, image).catch(() => image.replaceWith(h("span", { className: "blank" })));
  else image.src = url;
  return image;
}

async function own(url, image) {
  const answer = await fetch(url.slice(1), { headers: credentials() });
  if (!answer.ok) throw new Error(answer.statusText);
  image.src = URL.createObjectURL(await answer.blob());
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
}

/** A line with a bar: of a value between 0 and most, or of a signed one, whose sign shows in its figure. */
export function bar(label, value, most, text) {
  return h("li", {},
    h("span", {}, label),
    h("meter", { min: 0, max: Math.max(most, 1e-9), value: Math.abs(value), title: text }),
    h("span", { className: value < 0 ? "against" : "" }, text));
}

export const link = (article, text) => h("a", { href: `inspect?article=${encodeURIComponent(article)}` }, text);
export const when = (at) => (at ? h("time", { dateTime: at }, new Date(at).toLocaleString()) : null);
export const number = (value) => (typeof value === "number" ? value.toLocaleString() : "–");
export const figure = (value) => (typeof value === "number" ? value.toFixed(3) : "–");
export const percent = (value) => (typeof value === "number" ? `${(100 * value).toFixed(1)}%` : "–");
export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

/** The value of a name in the page's address. */
export const asked = (name) => new URLSearchParams(location.search).get(name);

/** Write a name into the page's address, so that it can be linked and gone back to; what nobody chose is no step. */
export function remember(name, value) {
  const address = `?${new URLSearchParams({ [name]: value })}`;
  if (asked(name) === null) history.replaceState(null, "", address);
  else if (asked(name) !== value) history.pushState(null, "", address);
}

function credentials() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const key = new FormData(keyForm).get("key").trim();
  if (key) sessionStorage.setItem(KEY, encodeURI(key)); // a header takes no other letters, and no key has them
  else sessionStorage.removeItem(KEY);
  location.reload();
});
