// The list of one reader, why each article stands in it, and what changes when something is read.

import { api, asked, attempt, bar, byId, figure, fill, h, link, maybe, percent, picture, remember, signed, when } from "./common.js";

const form = byId("ask");
const MOVED = 5; // inputs of the ranking head that are shown of each article
const HIDDEN = { readers: [], sections: [] }; // what a key sees that may not see the data
let shown = 0; // lists asked for: an answer that comes late must not replace a newer one

async function recommend(user) {
  const place = `users/${encodeURIComponent(user)}`;
  const query = new URLSearchParams({ limit: form.elements.limit.value, explain: true, log: false });
  if (form.elements.section.value) query.set("section", form.elements.section.value);
  const turn = ++shown;
  const [answer, known] = await Promise.all([api(`${place}/recommendations?${query}`), knownOf(place)]);
  if (turn !== shown) return;
  remember("user", user);
  const degraded = answer.degraded ? " The database does not answer: this is from what the process remembers." : "";
  fill("about", `For ${user}, by model ${answer.model_version}.${degraded}`);
  fill("list", answer.items.map((item) => card(user, item)));
  tell(known);
}

async function knownOf(place) {
  try {
    return await api(`${place}?limit=20`);
  } catch (error) {
    if (error.status === 404) return null;
    if (error.status === 503) return undefined; // the list may be there all the same
    throw error;
  }
}

function tell(known) {
  if (known === undefined) fill("counts", "The database does not say at the moment.");
  else if (known === null) fill("counts", "Nothing: they get what is trending and fresh.");
  else fill("counts", `${known.clicks} clicks, ${known.dismissed} dismissed, ${known.impressions} lists seen.`);
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
  // one id for each button: pressed twice, or sent again after an answer that was lost, it counts once
  const event = { event_id: `page-${Date.now()}-${Math.random()}`, type, user_id: user, article_id: item.article_id };
  button.addEventListener("click", () => attempt(async () => {
    const events = [{ ...event, at: new Date().toISOString() }];
    const said = await api("events", { method: "POST", body: { events } });
    if (said.rejected.length) throw new Error(said.rejected[0].reason);
    await recommend(user);
    byId("about").focus(); // the button that had it is gone
  }));
  return button;
}

async function open(user) {
  form.elements.user.value = user;
  if (user) return recommend(user);
  shown++;
  for (const id of ["about", "list", "counts", "past"]) fill(id);
}

/** Names to choose from; the first of them where nothing was asked for until they are there. */
async function offer() {
  const { readers, sections } = await maybe("newest", HIDDEN);
  fill("readers", readers.map((id) => h("option", { value: id })));
  form.elements.section.append(...sections.map((section) => h("option", { value: section }, section)));
  if (shown === 0 && form.elements.user.value === "" && sections !== HIDDEN.sections) {
    if (readers.length) await open(readers[0]);
    else fill("about", "Nobody has clicked yet: send events, or name any reader.");
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => recommend(form.elements.user.value.trim()));
});
window.addEventListener("popstate", () => attempt(() => open(asked("user") ?? "")));
if (asked("user")) attempt(() => open(asked("user")));
offer().catch((error) => attempt(() => { throw error; }));
