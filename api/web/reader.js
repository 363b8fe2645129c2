// The list of one reader, why each article stands in it, and what changes when something is read.

import { api, asked, attempt, bar, byId, figure, fill, h, link, maybe, percent, picture, remember, signed, when } from "./common.js";

const form = byId("ask");
const MOVED = 5; // inputs of the ranking head that are shown of each article
let shown = 0; // lists asked for: an answer that comes late must not replace a newer one

async function recommend() {
  const user = form.elements.user.value.trim();
  const place = `users/${encodeURIComponent(user)}`;
  const query = new URLSearchParams({ limit: form.elements.limit.value, explain: true, log: false });
  if (form.elements.section.value) query.set("section", form.elements.section.value);
  const turn = ++shown;
  const [answer, known] = await Promise.all([api(`${place}/recommendations?${query}`), known_of(place)]);
  if (turn !== shown) return;
  remember("user", user);
  const degraded = answer.degraded ? " The database does not answer: this is from what the process remembers." : "";
  fill("about", `By model ${answer.model_version}.${degraded}`);
  fill("list", answer.items.map((item) => card(user, item)));
  tell(known);
}

async function known_of(place) {
  try {
    return await api(`${place}?limit=20`);
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function tell(known) {
  fill("counts", known === null
    ? "Nothing: they get what is trending and fresh."
    : `${known.clicks} clicks, ${known.dismissed} dismissed, ${known.impressions} lists seen.`);
  fill("past", (known?.history ?? []).map((past) => h("li", {},
    link(past.article_id, past.title ?? past.article_id), " ",
    past.type === "dismiss" ? h("span", { className: "tag" }, "dismissed") : null, " ", when(past.at))));
}

function card(user, item) {
  return h("li", { className: "card", "data-article": item.article_id },
    picture(item.image_url),
    h("div", {},
      h("h3", {}, link(item.article_id, item.title ?? item.article_id)),
      h("p", { className: "soft" },
        `P(click) ${percent(item.score)} · from ${item.source}`, item.section ? ` · ${item.section}` : "",
        item.rule ? ` · rule ${item.rule.id}: ${item.rule.action}` : "", " ", when(item.published_at)),
      item.explanation ? why(item.explanation) : null,
      h("p", {}, reacting(user, item, "click", "Read"), " ", reacting(user, item, "dismiss", "Dismiss"))));
}

function why(explanation) {
  const modalities = Object.entries(explanation.shapley);
  const most = Math.max(...modalities.map(([, value]) => Math.abs(value)), 0);
  const moved = explanation.moved_by.slice(0, MOVED);
  return h("details", {},
    h("summary", {}, explanation.because.length ? `Because you read “${explanation.because[0]}”` : "Why"),
    h("p", { className: "soft" }, "What each modality adds, in logits:"),
    h("ul", { className: "bars" }, modalities.map(([name, value]) => bar(name, value, most, signed(value)))),
    moved.length ? h("p", { className: "soft" }, "What moved its click probability most:") : null,
    h("ul", { className: "bars" }, moved.map(({ feature, value, logits }) =>
      bar(`${feature} = ${figure(value)}`, logits, Math.abs(moved[0].logits), signed(logits)))),
    explanation.because_of.length ? h("p", { className: "soft" }, "The read articles that count most:") : null,
    h("ul", { className: "lines" }, explanation.because_of.map((read) =>
      h("li", {}, link(read.article_id, read.title ?? read.article_id), ` ${signed(read.logits)}`))));
}

function reacting(user, item, type, text) {
  const button = h("button", { type: "button", ariaLabel: `${text}: ${item.title ?? item.article_id}` }, text);
  button.addEventListener("click", () => attempt(async () => {
    const event = { event_id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, type, user_id: user };
    const said = await api("events", {
      method: "POST", body: { events: [{ ...event, article_id: item.article_id, at: new Date().toISOString() }] },
    });
    if (said.rejected.length) throw new Error(said.rejected[0].reason);
    await recommend();
  }));
  return button;
}

async function begin() {
  const user = asked("user");
  if (user) await open(user); // before the names to choose from: to count a long log takes seconds
  const data = await maybe("data", { newest_readers: [], sections: [] });
  fill("readers", data.newest_readers.map((id) => h("option", { value: id })));
  form.elements.section.append(...data.sections.map(({ section }) => h("option", { value: section }, section)));
  if (!user) await open(data.newest_readers[0] ?? "");
}

async function open(user) {
  form.elements.user.value = user;
  if (user) await recommend();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(recommend);
});
window.addEventListener("popstate", () => attempt(() => open(asked("user") ?? "")));
attempt(begin);
